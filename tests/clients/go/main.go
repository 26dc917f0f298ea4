// go-github, as it is published, against a server that it takes for a GitHub.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"

	"github.com/google/go-github/v88/github"
)

const kind = "container"

var (
	ctx  = context.Background()
	tags = []string{"v1", "v2", "v3"}
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](value T, _ *github.Response, err error) T {
	check(err)
	return value
}

func that(holds bool, what ...any) {
	if !holds {
		panic(fmt.Sprint(what...))
	}
}

func done(response *github.Response, err error) {
	check(err)
	that(response.StatusCode == http.StatusNoContent, response.Status)
}

func missing(err error) {
	var told *github.ErrorResponse
	that(errors.As(err, &told), "no error response: ", err)
	that(told.Response.StatusCode == http.StatusNotFound && told.Message == "Not Found", told)
}

// family is the packages of an organization, or of a user; "" is the one who asks.
type family struct {
	list           func(*github.PackageListOptions) ([]*github.Package, *github.Response, error)
	get            func(name string) (*github.Package, *github.Response, error)
	remove         func(name string) (*github.Response, error)
	restore        func(name string) (*github.Response, error)
	versions       func(name string, opts *github.PackageListOptions) ([]*github.PackageVersion, *github.Response, error)
	version        func(name string, id int64) (*github.PackageVersion, *github.Response, error)
	removeVersion  func(name string, id int64) (*github.Response, error)
	restoreVersion func(name string, id int64) (*github.Response, error)
}

func ofOrganization(client *github.Client, org string) family {
	api := client.Organizations
	return family{
		list: func(o *github.PackageListOptions) ([]*github.Package, *github.Response, error) {
			return api.ListPackages(ctx, org, o)
		},
		get:     func(n string) (*github.Package, *github.Response, error) { return api.GetPackage(ctx, org, kind, n) },
		remove:  func(n string) (*github.Response, error) { return api.DeletePackage(ctx, org, kind, n) },
		restore: func(n string) (*github.Response, error) { return api.RestorePackage(ctx, org, kind, n) },
		versions: func(n string, o *github.PackageListOptions) ([]*github.PackageVersion, *github.Response, error) {
			return api.PackageGetAllVersions(ctx, org, kind, n, o)
		},
		version: func(n string, id int64) (*github.PackageVersion, *github.Response, error) {
			return api.PackageGetVersion(ctx, org, kind, n, id)
		},
		removeVersion: func(n string, id int64) (*github.Response, error) {
			return api.PackageDeleteVersion(ctx, org, kind, n, id)
		},
		restoreVersion: func(n string, id int64) (*github.Response, error) {
			return api.PackageRestoreVersion(ctx, org, kind, n, id)
		},
	}
}

// ofUser escapes names: of these methods only GetPackage does it itself.
func ofUser(client *github.Client, user string) family {
	api := client.Users
	return family{
		list: func(o *github.PackageListOptions) ([]*github.Package, *github.Response, error) {
			return api.ListPackages(ctx, user, o)
		},
		get:    func(n string) (*github.Package, *github.Response, error) { return api.GetPackage(ctx, user, kind, n) },
		remove: func(n string) (*github.Response, error) { return api.DeletePackage(ctx, user, kind, url.PathEscape(n)) },
		restore: func(n string) (*github.Response, error) {
			return api.RestorePackage(ctx, user, kind, url.PathEscape(n))
		},
		versions: func(n string, o *github.PackageListOptions) ([]*github.PackageVersion, *github.Response, error) {
			if user == "" {
				return api.ListPackageVersions(ctx, kind, url.PathEscape(n), &github.ListPackageVersionsOptions{ListOptions: o.ListOptions})
			}
			return api.ListUserPackageVersions(ctx, user, kind, url.PathEscape(n))
		},
		version: func(n string, id int64) (*github.PackageVersion, *github.Response, error) {
			return api.PackageGetVersion(ctx, user, kind, url.PathEscape(n), id)
		},
		removeVersion: func(n string, id int64) (*github.Response, error) {
			return api.PackageDeleteVersion(ctx, user, kind, url.PathEscape(n), id)
		},
		restoreVersion: func(n string, id int64) (*github.Response, error) {
			return api.PackageRestoreVersion(ctx, user, kind, url.PathEscape(n), id)
		},
	}
}

func packages(of family, name string) {
	listed := must(of.list(&github.PackageListOptions{PackageType: github.Ptr(kind)}))
	that(len(listed) == 1 && listed[0].GetName() == name, listed)
	found := must(of.get(name))
	that(found.GetVisibility() == "private" && found.GetVersionCount() == 3, found)

	versions := allVersions(of, name)
	var named []string
	for _, version := range versions {
		metadata, ok := version.GetMetadata()
		that(ok, "no metadata")
		named = append(named, metadata.GetContainer().Tags...)
	}
	slices.Sort(named)
	that(slices.Equal(named, tags), named)

	id := versions[0].GetID()
	that(must(of.version(name, id)).GetName() == versions[0].GetName(), "another version")
	done(of.removeVersion(name, id))
	_, _, err := of.version(name, id)
	missing(err)
	done(of.restoreVersion(name, id))
	that(must(of.version(name, id)).GetID() == id, "another version")

	done(of.remove(name))
	_, _, err = of.get(name)
	missing(err)
	done(of.restore(name))
	that(must(of.get(name)).GetID() == found.GetID(), "another package")
}

// allVersions goes from page to page, as the Link header says.
func allVersions(of family, name string) []*github.PackageVersion {
	var found []*github.PackageVersion
	options := &github.PackageListOptions{ListOptions: github.ListOptions{PerPage: 1}}
	for {
		page, response, err := of.versions(name, options)
		check(err)
		found = append(found, page...)
		if response.NextPage == 0 {
			return found
		}
		options.Page = response.NextPage
	}
}

func repositories(client *github.Client, org, owner string) {
	api := client.Repositories
	made := must(api.Create(ctx, org, &github.Repository{Name: github.Ptr("code"), Private: github.Ptr(true)}))
	that(made.GetFullName() == owner+"/code" && made.GetPrivate(), made)
	that(must(api.Get(ctx, owner, "code")).GetID() == made.GetID(), "another repository")
	changed := must(api.Edit(ctx, owner, "code", &github.Repository{Description: github.Ptr("changed")}))
	that(changed.GetDescription() == "changed", changed)
	_, response, err := api.AddCollaborator(ctx, owner, "code", "bob", &github.RepositoryAddCollaboratorOptions{Permission: "push"})
	done(response, err)
	that(must(api.IsCollaborator(ctx, owner, "code", "bob")), "bob is none")
	that(must(api.GetPermissionLevel(ctx, owner, "code", "bob")).GetPermission() == "write", "bob may not write")
	listed := must(api.ListCollaborators(ctx, owner, "code", nil))
	that(slices.ContainsFunc(listed, func(one *github.User) bool { return one.GetLogin() == "bob" }), listed)
	done(api.RemoveCollaborator(ctx, owner, "code", "bob"))
	that(!must(api.IsCollaborator(ctx, owner, "code", "bob")), "bob is one")
	done(api.Delete(ctx, owner, "code"))
	_, _, err = api.Get(ctx, owner, "code")
	missing(err)
}

// audit reads the log of acme page by page, and by a phrase.
func audit(client *github.Client) {
	seen := map[string]bool{}
	options := &github.GetAuditLogOptions{ListCursorOptions: github.ListCursorOptions{PerPage: 5}}
	var newest *github.AuditEntry
	for {
		page, response, err := client.Organizations.GetAuditLog(ctx, "acme", options)
		check(err)
		for _, entry := range page {
			that(!seen[entry.GetDocumentID()], "twice: ", entry)
			that(entry.GetOrg() == "acme" && entry.GetOrgID() > 0, entry)
			that(!entry.GetTimestamp().IsZero() && entry.GetTimestamp().Equal(entry.GetCreatedAt()), entry)
			seen[entry.GetDocumentID()] = true
			if newest == nil {
				newest = entry
			}
		}
		if response.After == "" {
			break
		}
		options.After = response.After
	}
	that(len(seen) > 10, seen)
	that(newest.GetAction() == "repo.destroy" && newest.GetActor() == "alice" && newest.GetTokenID() > 0, newest)
	that(newest.GetHashedToken() != "" && newest.AdditionalFields["actor_ip"] == "127.0.0.1", newest)
	named := newest.Data["repository"].(map[string]any)
	that(named["full_name"] == "acme/code", named)
	phrase := "action:packages.package_version_deleted"
	found := must(client.Organizations.GetAuditLog(ctx, "acme", &github.GetAuditLogOptions{Phrase: &phrase}))
	that(len(found) == 1 && found[0].Data["package"] == "team/app", found)
}

func main() {
	base := os.Getenv("MOORAGE_URL") + "/"
	client, err := github.NewClient(github.WithEnterpriseURLs(base, base), github.WithAuthToken(os.Getenv("MOORAGE_TOKEN")))
	check(err)
	that(must(client.Users.Get(ctx, "")).GetLogin() == "alice", "not alice")
	that(must(client.Organizations.Get(ctx, "acme")).GetLogin() == "acme", "not acme")
	membership := must(client.Organizations.GetOrgMembership(ctx, "bob", "acme"))
	that(membership.GetState() == "active" && membership.GetRole() == "member", membership)
	packages(ofOrganization(client, "acme"), "team/app")
	packages(ofUser(client, "alice"), "tools/app")
	packages(ofUser(client, ""), "tools/app")
	repositories(client, "", "alice")
	repositories(client, "acme", "acme")
	audit(client)
	fmt.Println("all done")
}
