// Command controlplane is a whole Kubernetes in one binary: its first argument
// names the component, and the rest are that component's own flags.
//
// One build serves all components because they share nearly all of their code:
// seven binaries would take several times as long to link and seven times the
// disk. Each still runs as a process of its own, so that a test can kill one.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
	"volumes":                 newVolumesCommand,
}

func main() {
	// A link named after a component (bin/kubectl) needs no first argument.
	name := filepath.Base(os.Args[0])
	if _, known := components[name]; !known && len(os.Args) > 1 {
		name = os.Args[1]
		os.Args = append([]string{name}, os.Args[2:]...)
	}
	if name == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	component, known := components[name]
	if !known {
		names := append(slices.Sorted(maps.Keys(components)), "etcd")
		fmt.Fprintf(os.Stderr, "usage: controlplane COMPONENT [FLAGS]\ncomponents: %s\n", strings.Join(names, ", "))
		os.Exit(2)
	}
	command := component()
	if name == "kubectl" {
		if err := cli.RunNoErrOutput(command); err != nil {
			// kubectl prints and formats its own errors.
			os.Exit(1)
		}
		return
	}
	os.Exit(cli.Run(command))
}
