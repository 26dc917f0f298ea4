// go-github, as it is published: makes webhooks of a server that it takes for a GitHub, and parses what they are sent.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/google/go-github/v88/github"
)

const secret = "It's a Secret to Everybody"

var ctx = context.Background()

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

type received struct {
	guid  string
	event any
}

// receive serves until the end, with what the library makes of each request.
func receive() (string, <-chan received) {
	events := make(chan received, 100)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, err := github.ValidatePayload(r, []byte(secret))
		check(err)
		event, err := github.ParseWebHook(github.WebHookType(r), payload)
		check(err)
		events <- received{github.DeliveryID(r), event}
		w.WriteHeader(http.StatusNoContent)
	}))
	return "http://" + listener.Addr().String(), events
}

func next(events <-chan received) received {
	select {
	case one := <-events:
		return one
	case <-time.After(60 * time.Second):
		panic("nothing was received")
	}
}

func ofPackage(p *github.Package, action, wanted string) {
	that(action == "published" && p.GetName() == "app" && p.GetNamespace() == "acme", p)
	that(p.GetPackageType() == "CONTAINER" && p.GetRegistry().GetType() == "CONTAINER", p)
	version := p.GetPackageVersion()
	that(version.GetContainerMetadata().GetTag().GetName() == wanted, version)
	that(version.GetContainerMetadata().Manifest["digest"] == version.GetVersion(), version)
}

func main() {
	base := os.Getenv("MOORAGE_URL") + "/"
	client, err := github.NewClient(github.WithEnterpriseURLs(base, base), github.WithAuthToken(os.Getenv("MOORAGE_TOKEN")))
	check(err)
	where, events := receive()
	config := &github.HookConfig{URL: &where, ContentType: github.Ptr("json"), Secret: github.Ptr(secret)}
	org := client.Organizations

	hook := must(org.CreateHook(ctx, "acme", &github.Hook{Config: config, Events: []string{"package", "registry_package"}}))
	id := hook.GetID()
	ping := next(events).event.(*github.PingEvent)
	that(ping.GetHookID() == id && ping.GetHook().GetConfig().GetURL() == where, ping)
	that(len(must(org.ListHooks(ctx, "acme", nil))) == 1)
	that(must(org.GetHookConfiguration(ctx, "acme", id)).GetContentType() == "json")
	_, err = org.PingHook(ctx, "acme", id)
	check(err)
	next(events)

	fmt.Println("push acme/app:v1")
	first, second := next(events), next(events)
	var published received
	for _, one := range []received{first, second} {
		switch event := one.event.(type) {
		case *github.PackageEvent:
			ofPackage(event.GetPackage(), event.GetAction(), "v1")
			that(event.GetSender().GetLogin() == "alice" && event.GetOrg().GetLogin() == "acme", event)
			published = one
		case *github.RegistryPackageEvent:
			ofPackage(event.GetRegistryPackage(), event.GetAction(), "v1")
		default:
			panic(fmt.Sprintf("%T", one.event))
		}
	}
	var delivery *github.HookDelivery
	for delivery == nil || delivery.GetStatusCode() == 0 {
		delivery = nil
		for _, one := range must(org.ListHookDeliveries(ctx, "acme", id, &github.ListCursorOptions{PerPage: 10})) {
			if one.GetGUID() == published.guid {
				delivery = one
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	that(delivery.GetStatus() == "OK" && delivery.GetStatusCode() == http.StatusNoContent, delivery)
	full := must(org.GetHookDelivery(ctx, "acme", id, delivery.GetID()))
	that(full.GetRequest().GetHeader("X-GitHub-Event") == "package", full)
	parsed, err := full.ParseRequestPayload()
	check(err)
	ofPackage(parsed.(*github.PackageEvent).GetPackage(), "published", "v1")
	_, _, err = org.RedeliverHookDelivery(ctx, "acme", id, delivery.GetID())
	if _, accepted := err.(*github.AcceptedError); !accepted {
		check(err)
	}
	that(next(events).guid == published.guid, "another GUID")

	changed := must(org.EditHook(ctx, "acme", id, &github.Hook{Active: github.Ptr(false)}))
	that(!changed.GetActive(), changed)
	_, err = org.DeleteHook(ctx, "acme", id)
	check(err)

	repo := must(client.Repositories.CreateHook(ctx, "acme", "code", &github.Hook{Config: config, Events: []string{"package"}}))
	next(events)
	_, err = client.Repositories.TestHook(ctx, "acme", "code", repo.GetID())
	check(err)
	next(events)
	fmt.Println("push acme/linked:v1")
	linked := next(events).event.(*github.PackageEvent)
	that(linked.GetRepo().GetFullName() == "acme/code", linked)
	_, err = client.Repositories.DeleteHook(ctx, "acme", "code", repo.GetID())
	check(err)
	fmt.Println("all is well")
}
