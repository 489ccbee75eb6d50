// Reads a compose file as `docker compose config` does, with the Compose specification's own library: schema, interpolation,
// merging, references between services, networks, volumes and secrets. Prints the names of the services, one a line.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	options, err := cli.NewProjectOptions([]string{os.Args[1]}, cli.WithProfiles([]string{"*"}), cli.WithResolvedPaths(true))
	if err == nil {
		var project, failed = options.LoadProject(context.Background())
		if failed == nil {
			names := project.ServiceNames()
			sort.Strings(names)
			for _, name := range names {
				fmt.Println(name)
			}
			return
		}
		err = failed
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
