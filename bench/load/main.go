// load drives an OCI registry and says how fast it was: a line for each scenario, as a table or as JSON.
//
//	load -url http://127.0.0.1:5000 -user octo -password TOKEN [-only manifest-get,push] [-c 32] [-d 5s]
//
// Nothing but the protocol is used, so any registry will do. It writes to the packages USER/bench-* and takes nothing
// away. With -pid the CPU time and the memory of the server's processes are told too (on the same machine, Linux).
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// What the command line says.
type options struct {
	url, user, password, name, only string
	clients, images, layers         int
	size                            int64
	duration, warmup                time.Duration
	rate                            float64
	pid                             int
	impatient, json                 bool
}

func parse(arguments []string) (options, error) {
	var o options
	var size string
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.StringVar(&o.url, "url", "http://127.0.0.1:5000", "the registry")
	flags.StringVar(&o.user, "user", "", "who pushes and pulls; nobody, where the registry asks nobody")
	flags.StringVar(&o.password, "password", "", "their password, or an access token")
	flags.StringVar(&o.name, "name", "", "the packages are NAME-layers, NAME-small, ... (USER/bench)")
	flags.StringVar(&o.only, "only", "", "scenarios, by comma ("+strings.Join(names(), ", ")+")")
	flags.IntVar(&o.clients, "c", 32, "clients at once; of those that push or pull a quarter, at most 8")
	flags.DurationVar(&o.duration, "d", 5*time.Second, "how long each scenario of small requests lasts")
	flags.DurationVar(&o.warmup, "warmup", 0, "how long each of them goes on before it is measured")
	flags.Float64Var(&o.rate, "rate", 0, "small requests a second, whatever comes back; 0: each client asks when it is answered")
	flags.IntVar(&o.images, "images", 8, "images to push and pull")
	flags.IntVar(&o.layers, "layers", 4, "layers of each")
	flags.StringVar(&size, "size", "16MiB", "size of a layer")
	flags.IntVar(&o.pid, "pid", 0, "the server's process; its children are counted too")
	flags.BoolVar(&o.impatient, "impatient", false, "ask again at once after 429 and 503, not after Retry-After")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	var err error
	if o.size, err = bytesOf(size); err != nil {
		return o, err
	}
	if o.name == "" && o.user == "" {
		o.name = "bench/bench"
	} else if o.name == "" {
		o.name = strings.ToLower(o.user) + "/bench"
	}
	for _, name := range wanted(o.only) {
		if find(name) == nil {
			return o, fmt.Errorf("there is no scenario %q, but %s", name, strings.Join(names(), ", "))
		}
	}
	o.url = strings.TrimRight(o.url, "/")
	return o, nil
}

// 16MiB is 16777216.
func bytesOf(text string) (int64, error) {
	var number int64
	var unit string
	if n, _ := fmt.Sscanf(text, "%d%s", &number, &unit); n == 0 || number <= 0 {
		return 0, fmt.Errorf("%q is no size: expected 16MiB", text)
	}
	shift, known := map[string]uint{"": 0, "KiB": 10, "MiB": 20, "GiB": 30}[unit]
	if !known {
		return 0, fmt.Errorf("%q is no size: expected KiB, MiB or GiB", text)
	}
	return number << shift, nil
}

func wanted(only string) []string {
	if only == "" {
		return names()
	}
	return strings.Split(only, ",")
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	r := newRegistry(o)
	if !o.json {
		fmt.Println(heading)
	}
	failed := false
	for _, name := range wanted(o.only) {
		s := find(name)
		work, err := s.prepare(r)
		var none absent
		if o.only == "" && errors.As(err, &none) {
			fmt.Fprintf(os.Stderr, "%s: left out: %s\n", name, none)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		result := measure(s, work, o)
		failed = failed || result.Errors > 0
		if o.json {
			line, _ := json.Marshal(result)
			fmt.Println(string(line))
		} else {
			fmt.Println(result.row())
		}
		if result.Errors > 0 {
			fmt.Fprintf(os.Stderr, "%s: the first of %d errors: %s\n", name, result.Errors, result.FirstError)
		}
	}
	if failed {
		return errors.New("some requests failed")
	}
	return nil
}
