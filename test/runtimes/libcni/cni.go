// A container runtime's half of the CNI, by hand: what libcni makes of a configuration
// list and a verb. See usage below.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
)

const usage = `usage: cni [OPTION]... CONFLIST VERB
  add|check|del ID NETNS   the attachment of eth0; add prints its result
  gc [ID]...               all attachments may go but these
  status
exit status: 0, or 1 and "code N: message" where N is the plugin's error code, 0 libcni's own
`

const interfaceName = "eth0"

var (
	plugins      = flag.String("plugins", "/opt/cni/bin", "directories of plugins, with colons between")
	cache        = flag.String("cache", "/var/lib/cni", "directory where libcni remembers results")
	arguments    = flag.String("args", "", "CNI_ARGS: KEY=VALUE;KEY=VALUE")
	capabilities = flag.String("capabilities", "{}", "what the runtime fills in, as JSON")
)

// attachment describes a pod's interface as libcni wants it told.
func attachment(id, netns string) (*libcni.RuntimeConf, error) {
	runtime := &libcni.RuntimeConf{ContainerID: id, NetNS: netns, IfName: interfaceName}
	if *arguments != "" {
		for _, argument := range strings.Split(*arguments, ";") {
			key, value, _ := strings.Cut(argument, "=")
			runtime.Args = append(runtime.Args, [2]string{key, value})
		}
	}
	err := json.Unmarshal([]byte(*capabilities), &runtime.CapabilityArgs)
	return runtime, err
}

func add(cni libcni.CNI, list *libcni.NetworkConfigList, runtime *libcni.RuntimeConf) error {
	result, err := cni.AddNetworkList(context.Background(), list, runtime)
	if err != nil {
		return err
	}
	return result.Print()
}

func collectGarbage(cni libcni.CNI, list *libcni.NetworkConfigList, valid []string) error {
	keep := []types.GCAttachment{}
	for _, id := range valid {
		keep = append(keep, types.GCAttachment{ContainerID: id, IfName: interfaceName})
	}
	return cni.GCNetworkList(context.Background(), list, &libcni.GCArgs{ValidAttachments: keep})
}

func call(conflist, verb string, words []string) error {
	list, err := libcni.NetworkConfFromFile(conflist)
	if err != nil {
		return err
	}
	cni := libcni.NewCNIConfigWithCacheDir(filepath.SplitList(*plugins), *cache, nil)
	switch verb {
	case "status":
		return cni.GetStatusNetworkList(context.Background(), list)
	case "gc":
		return collectGarbage(cni, list, words)
	}
	if len(words) != 2 {
		return errors.New(verb + " takes an ID and a network namespace; try -help")
	}
	runtime, err := attachment(words[0], words[1])
	if err != nil {
		return err
	}
	switch verb {
	case "add":
		return add(cni, list, runtime)
	case "check":
		return cni.CheckNetworkList(context.Background(), list, runtime)
	case "del":
		return cni.DelNetworkList(context.Background(), list, runtime)
	}
	return errors.New("there is no verb " + verb + "; try -help")
}

func main() {
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() < 2 {
		flag.Usage()
		os.Exit(2)
	}
	err := call(flag.Arg(0), flag.Arg(1), flag.Args()[2:])
	if err == nil {
		return
	}
	var fromPlugin *types.Error
	if errors.As(err, &fromPlugin) {
		fmt.Fprintf(os.Stderr, "code %d: %v\n", fromPlugin.Code, err)
	} else {
		fmt.Fprintf(os.Stderr, "code 0: %v\n", err)
	}
	os.Exit(1)
}
