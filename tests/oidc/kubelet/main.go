// The part of a kubelet that asks a credential provider, without the rest: prints what it gives for an image, as JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/credentialprovider/plugin"
	"k8s.io/kubernetes/pkg/kubelet/token"
	"k8s.io/kubernetes/pkg/util/parsers"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	klog.InitFlags(nil)
	api := flag.String("api", "", "the URL of the API server")
	ca := flag.String("ca", "", "its authorities")
	bearer := flag.String("token", "", "the token of a node")
	config := flag.String("config", "", "a CredentialProviderConfig")
	bin := flag.String("bin", "", "the folder of the programs")
	namespace := flag.String("namespace", "", "of the pod")
	pod := flag.String("pod", "", "its name")
	uid := flag.String("uid", "", "its uid")
	account := flag.String("account", "", "its service account")
	image := flag.String("image", "", "what it runs")
	flag.Parse()
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: *api, BearerToken: *bearer, TLSClientConfig: rest.TLSClientConfig{CAFile: *ca},
	})
	check(err)
	manager := token.NewManager(client)
	check(plugin.RegisterCredentialProviderPlugins(*config, *bin, manager.GetServiceAccountToken,
		func(ns, name string) (*v1.ServiceAccount, error) {
			return client.CoreV1().ServiceAccounts(ns).Get(context.Background(), name, metav1.GetOptions{})
		}))
	repository, _, _, err := parsers.ParseImageName(*image)
	check(err)
	found, _ := plugin.NewExternalCredentialProviderDockerKeyring(*namespace, *pod, *uid, *account).Lookup(repository)
	told := []map[string]string{}
	for _, one := range found {
		told = append(told, map[string]string{"username": one.Username, "password": one.Password})
	}
	check(json.NewEncoder(os.Stdout).Encode(told))
}
