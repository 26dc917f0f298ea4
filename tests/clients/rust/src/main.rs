//! octocrab, as it is published, against a server that it takes for a GitHub. It has no names for packages: they go by
//! its routes of any path.
use octocrab::{models::Repository, Octocrab, Page};
use serde_json::{json, Value};
use std::{collections::BTreeSet, env};

const TAGS: [&str; 3] = ["v1", "v2", "v3"];

type Done = Result<(), Box<dyn std::error::Error>>;

fn is_missing<T: std::fmt::Debug>(found: octocrab::Result<T>) -> bool {
    matches!(found, Err(octocrab::Error::GitHub { source, .. }) if source.status_code.as_u16() == 404)
}

async fn nothing(answer: octocrab::Result<http::Response<impl Sized>>) -> Result<u16, octocrab::Error> {
    Ok(answer?.status().as_u16())
}

async fn packages(github: &Octocrab, owner: &str, name: &str) -> Done {
    let none = None::<&()>;
    let listed: Page<Value> = github.get(format!("/{owner}/packages"), Some(&json!({"package_type": "container"}))).await?;
    assert_eq!(listed.items.iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(), [name]);
    let one = format!("/{owner}/packages/container/{}", name.replace('/', "%2F"));
    let found: Value = github.get(&one, none).await?;
    assert_eq!((&found["visibility"], &found["version_count"]), (&json!("private"), &json!(TAGS.len())));

    let first: Page<Value> = github.get(format!("{one}/versions"), Some(&json!({"per_page": 1}))).await?;
    assert_eq!((first.items.len(), first.number_of_pages()), (1, Some(3)));
    let versions = github.all_pages(first).await?;
    let tags: BTreeSet<_> =
        versions.iter().map(|one| one["metadata"]["container"]["tags"][0].as_str().unwrap()).collect();
    assert_eq!(tags, TAGS.into());
    let version = format!("{one}/versions/{}", versions[0]["id"]);
    assert_eq!(github.get::<Value, _, _>(&version, none).await?["name"], versions[0]["name"]);
    assert_eq!(nothing(github._delete(&version, none).await).await?, 204);
    assert!(is_missing(github.get::<Value, _, _>(&version, none).await));
    assert_eq!(nothing(github._post(format!("{version}/restore"), none).await).await?, 204);
    assert_eq!(nothing(github._delete(&one, none).await).await?, 204);
    assert!(is_missing(github.get::<Value, _, _>(&one, none).await));
    assert_eq!(nothing(github._post(format!("{one}/restore"), none).await).await?, 204);
    assert_eq!(github.get::<Value, _, _>(&one, none).await?["id"], found["id"]);
    Ok(())
}

async fn repositories(github: &Octocrab) -> Done {
    let made: Repository = github.post("/orgs/acme/repos", Some(&json!({"name": "code", "private": true}))).await?;
    let found = github.repos("acme", "code").get().await?;
    assert_eq!((found.id, found.private), (made.id, Some(true)));
    let listed = github.orgs("acme").list_repos().send().await?;
    assert_eq!(listed.items.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["code"]);
    github.repos("acme", "code").delete().await?;
    assert!(is_missing(github.repos("acme", "code").get().await));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done {
    let github = Octocrab::builder()
        .base_uri(format!("{}/api/v3", env::var("MOORAGE_URL")?))?
        .personal_token(env::var("MOORAGE_TOKEN")?)
        .build()?;
    assert_eq!(github.current().user().await?.login, "alice");
    assert_eq!(github.orgs("acme").get().await?.login, "acme");
    packages(&github, "orgs/acme", "team/app").await?;
    packages(&github, "users/alice", "tools/app").await?;
    repositories(&github).await?;
    println!("all done");
    Ok(())
}
