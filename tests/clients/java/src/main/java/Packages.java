import org.kohsuke.github.GHFileNotFoundException;
import org.kohsuke.github.GHMyself;
import org.kohsuke.github.GHOrganization;
import org.kohsuke.github.GHRepository;
import org.kohsuke.github.GHUser;
import org.kohsuke.github.GitHub;
import org.kohsuke.github.GitHubBuilder;

/** hub4j, which Jenkins uses; it has no names for packages. */
public class Packages {
    public static void main(String[] arguments) throws Exception {
        String url = System.getenv("MOORAGE_URL");
        GitHub github = new GitHubBuilder()
            .withEndpoint(url + "/api/v3")
            .withOAuthToken(System.getenv("MOORAGE_TOKEN"))
            .build();
        check(github.isCredentialValid(), "the token is no good");
        check(github.getMeta().getHooks().isEmpty(), "hooks");
        check(github.getRateLimit().getCore().getRemaining() > 0, "no calls are left");
        GHMyself me = github.getMyself();
        check(me.getLogin().equals("alice") && me.getAvatarUrl().startsWith(url), me.getAvatarUrl());
        GHUser bob = github.getUser("bob");
        GHOrganization acme = github.getOrganization("acme");
        check(acme.hasMember(bob), "bob is no member");
        GHRepository made = acme.createRepository("code").private_(true).create();
        GHRepository found = github.getRepository("acme/code");
        check(found.getId() == made.getId() && found.isPrivate(), "another repository");
        found.addCollaborators(bob);
        check(found.isCollaborator(bob), "bob is no collaborator");
        found.renameTo("renamed");
        check(github.getRepository("acme/code").getFullName().equals("acme/renamed"), "not led on");
        github.getRepository("acme/renamed").delete();
        try {
            github.getRepository("acme/renamed");
        } catch (GHFileNotFoundException gone) {
            System.out.println("all done");
        }
        System.exit(0);
    }

    private static void check(boolean holds, String why) {
        if (!holds) {
            throw new AssertionError(why);
        }
    }
}
