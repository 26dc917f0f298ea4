// Octokit.js, as it is published, against a server that it takes for a GitHub.
import assert from "node:assert/strict";
import { Octokit } from "@octokit/rest";

const octokit = new Octokit({
  auth: process.env.MOORAGE_TOKEN,
  baseUrl: `${process.env.MOORAGE_URL}/api/v3`,
  log: { debug() {}, info() {}, warn() {}, error() {} },
});
const { packages: api } = octokit.rest;
const TAGS = ["v1", "v2", "v3"];

const missing = (request) => assert.rejects(request, (error) => error.status === 404 && /Not Found/.test(error.message));

// `is`: the methods of one family, and what they all take.
async function everything(is, owner, name) {
  const package_type = "container";
  const one = { ...owner, package_type, package_name: name };
  const listed = await is.list({ ...owner, package_type });
  assert.deepEqual(listed.data.map((found) => found.name), [name]);
  const found = (await is.get(one)).data;
  assert.equal(found.visibility, "private");
  assert.equal(found.version_count, TAGS.length);

  const versions = await octokit.paginate(is.versions, { ...one, per_page: 1 });
  assert.deepEqual(versions.map((version) => version.metadata.container.tags[0]).sort(), TAGS);
  const version = { ...one, package_version_id: versions[0].id };
  assert.equal((await is.version(version)).data.name, versions[0].name);
  assert.equal((await is.deleteVersion(version)).status, 204);
  await missing(is.version(version));
  assert.equal((await is.restoreVersion(version)).status, 204);
  assert.equal((await is.version(version)).data.id, versions[0].id);

  assert.equal((await is.delete(one)).status, 204);
  await missing(is.get(one));
  assert.equal((await is.restore(one)).status, 204);
  assert.equal((await is.get(one)).data.id, found.id);
}

const family = (whose, list) => ({
  list,
  get: api[`getPackageFor${whose}`],
  delete: api[`deletePackageFor${whose === "Organization" ? "Org" : whose}`],
  restore: api[`restorePackageFor${whose === "Organization" ? "Org" : whose}`],
  versions: api[`getAllPackageVersionsForPackageOwnedBy${whose === "Organization" ? "Org" : whose}`],
  version: api[`getPackageVersionFor${whose}`],
  deleteVersion: api[`deletePackageVersionFor${whose === "Organization" ? "Org" : whose}`],
  restoreVersion: api[`restorePackageVersionFor${whose === "Organization" ? "Org" : whose}`],
});

async function repositories(create, owner) {
  const made = (await create).data;
  const one = { owner, repo: "code" };
  assert.equal(made.full_name, `${owner}/code`);
  assert.equal((await octokit.rest.repos.get(one)).data.private, true);
  assert.equal((await octokit.rest.repos.update({ ...one, description: "changed" })).data.description, "changed");
  const bob = { ...one, username: "bob" };
  assert.equal((await octokit.rest.repos.addCollaborator({ ...bob, permission: "push" })).status, 204);
  assert.equal((await octokit.rest.repos.getCollaboratorPermissionLevel(bob)).data.permission, "write");
  const listed = await octokit.paginate(octokit.rest.repos.listCollaborators, { ...one, per_page: 1 });
  assert.ok(listed.some((person) => person.login === "bob"));
  assert.equal((await octokit.rest.repos.removeCollaborator(bob)).status, 204);
  await missing(octokit.rest.repos.checkCollaborator(bob));
  assert.equal((await octokit.rest.repos.delete(one)).status, 204);
  await missing(octokit.rest.repos.get(one));
}

async function pages() {
  const names = [0, 1, 2, 3, 4].map((number) => `page-${number}`);
  for (const name of names) await octokit.rest.repos.createForAuthenticatedUser({ name });
  const found = await octokit.paginate(octokit.rest.repos.listForAuthenticatedUser, { per_page: 2 });
  assert.deepEqual(found.map((repository) => repository.name).sort(), names);
  for (const repo of names) await octokit.rest.repos.delete({ owner: "alice", repo });
}

assert.equal((await octokit.rest.users.getAuthenticated()).data.login, "alice");
assert.equal((await octokit.rest.orgs.get({ org: "acme" })).data.login, "acme");
await everything(family("Organization", api.listPackagesForOrganization), { org: "acme" }, "team/app");
await everything(family("User", api.listPackagesForUser), { username: "alice" }, "tools/app");
await everything(family("AuthenticatedUser", api.listPackagesForAuthenticatedUser), {}, "tools/app");
await repositories(octokit.rest.repos.createForAuthenticatedUser({ name: "code", private: true }), "alice");
await repositories(octokit.rest.repos.createInOrg({ org: "acme", name: "code", private: true }), "acme");
await pages();
console.log("all done");
