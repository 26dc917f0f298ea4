// @octokit/webhooks, as it is published: verifies and reads what a webhook is sent, and holds it against GitHub's schemas.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { Octokit } from "@octokit/rest";
import { Webhooks, createNodeMiddleware } from "@octokit/webhooks";
import Ajv from "ajv";
import addFormats from "ajv-formats";

const schema = JSON.parse(readFileSync(createRequire(import.meta.url).resolve("@octokit/webhooks-schemas")));
const ajv = new Ajv({ strict: false });
addFormats(ajv);
ajv.addSchema(schema, "github");
const secret = "It's a Secret to Everybody";
const webhooks = new Webhooks({ secret });
const received = [];
let arrived = () => {};
webhooks.onAny(({ id, name, payload }) => {
  received.push({ id, name, payload });
  arrived();
});
webhooks.onError((error) => {
  throw error;
});

async function next() {
  while (received.length === 0) {
    await new Promise((resolve, reject) => {
      arrived = resolve;
      setTimeout(() => reject(new Error("nothing was received")), 60_000);
    });
  }
  return received.shift();
}

// Of the events that have a repository, GitHub's schemas want one.
function fits(definition, payload) {
  const validate = ajv.getSchema(`github#/definitions/${definition}`);
  assert.ok(validate(payload), JSON.stringify(validate.errors));
}

const octokit = new Octokit({ auth: process.env.MOORAGE_TOKEN, baseUrl: `${process.env.MOORAGE_URL}/api/v3` });
const server = createServer(createNodeMiddleware(webhooks, { path: "/" })).listen(0, "127.0.0.1");
await once(server, "listening");
const config = { url: `http://127.0.0.1:${server.address().port}/`, content_type: "json", secret };
const events = ["package", "registry_package"];
const made = (await octokit.rest.orgs.createWebhook({ org: "acme", name: "web", config, events })).data;
const ping = await next();
assert.equal(ping.name, "ping");
fits("ping$event", { ...ping.payload, hook: picked(ping.payload.hook) });
console.log("push acme/linked:v1");
for (const one of [await next(), await next()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
  const found = one.payload[one.name];
  assert.equal(one.payload.action, "published");
  assert.equal(found.package_version.container_metadata.tag.name, "v1");
  fits(`${one.name}$published`, one.payload);
}
const deliveries = await octokit.paginate(octokit.rest.orgs.listWebhookDeliveries, {
  org: "acme", hook_id: made.id, per_page: 1,
});
assert.equal(deliveries.length, 3);
await octokit.rest.orgs.redeliverWebhookDelivery({ org: "acme", hook_id: made.id, delivery_id: deliveries[0].id });
assert.equal((await next()).id, deliveries[0].guid);
await octokit.rest.orgs.deleteWebhook({ org: "acme", hook_id: made.id });
server.close();
console.log("all is well");

// Without the fields that GitHub's hooks have not.
function picked({ format, children, disabled_reason, ...rest }) {
  return rest;
}
