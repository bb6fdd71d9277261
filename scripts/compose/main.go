// Judges docker-compose.yml as `docker compose` would read it: by the loader and
// the JSON schema of the Compose specification, which need no Docker. Then the
// project's own rules: what every service must have.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// Without a health check, and why.
var unchecked = map[string]string{
	"topics":      "it ends",
	"collector":   "its image has no shell",
	"marquez-web": "nothing waits for it",
}

// Asked of the API's clients; it ends at once where it listens for all without.
const token = "LINEAGE_HUB__API__TOKEN"

func main() {
	env, err := developersEnv()
	if err != nil {
		fail(err)
	}
	project, err := load(env)
	if err != nil {
		fail(err)
	}
	var problems []string
	if _, err := load(".env.example"); err == nil || !strings.Contains(err.Error(), token) {
		problems = append(problems, "starts without "+token)
	}
	names := project.ServiceNames()
	sort.Strings(names)
	for _, name := range names {
		for _, problem := range judge(project.Services[name]) {
			problems = append(problems, name+": "+problem)
		}
	}
	problems = append(problems, ports(project)...)
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, "docker-compose.yml:", problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Printf("docker-compose.yml is valid: %d services, %d volumes\n", len(names), len(project.Volumes))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "docker-compose.yml:", err)
	os.Exit(1)
}

// The .env that `make start` would make here; made anew, where it is in nobody's way.
func developersEnv() (string, error) {
	folder, err := os.MkdirTemp("", "compose")
	if err != nil {
		return "", err
	}
	env := filepath.Join(folder, ".env")
	return env, exec.Command("scripts/dev-env.sh", env).Run()
}

// With every profile, and the values of this file.
func load(env string) (*types.Project, error) {
	options, err := cli.NewProjectOptions(
		[]string{"docker-compose.yml"},
		cli.WithProfiles([]string{"*"}),
		cli.WithEnvFiles(env),
		cli.WithDotEnv,
		cli.WithInterpolation(true),
		cli.WithConsistency(true),
	)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func judge(service types.ServiceConfig) (problems []string) {
	isOurs := service.Build != nil
	_, tag, pinned := strings.Cut(service.Image, ":")
	if !isOurs && (!pinned || tag == "latest") {
		problems = append(problems, "the image is not pinned: "+service.Image)
	}
	if service.Deploy == nil || service.Deploy.Resources.Limits == nil ||
		service.Deploy.Resources.Limits.MemoryBytes == 0 || service.Deploy.Resources.Limits.NanoCPUs == 0 {
		problems = append(problems, "no limit of CPU and memory")
	}
	if service.Restart == "" {
		problems = append(problems, "no restart policy")
	}
	if len(service.Profiles) == 0 {
		problems = append(problems, "in no profile")
	}
	_, isUnchecked := unchecked[service.Name]
	// Our image brings its own.
	if service.HealthCheck == nil && !isOurs && !isUnchecked {
		problems = append(problems, "no health check")
	}
	listensForAll := slices.ContainsFunc(service.Command, func(word string) bool {
		return strings.HasPrefix(word, "0.0.0.0:")
	})
	if value := service.Environment[token]; listensForAll && (value == nil || *value == "") {
		problems = append(problems, "listens for all without "+token)
	}
	for _, volume := range service.Volumes {
		if volume.Type != types.VolumeTypeBind {
			continue
		}
		if _, err := os.Stat(volume.Source); err != nil {
			problems = append(problems, "mounts what is not there: "+volume.Source)
		}
	}
	return problems
}

// Two services must not want one port of the host.
func ports(project *types.Project) (problems []string) {
	taken := map[string]string{}
	for name, service := range project.Services {
		for _, port := range service.Ports {
			if other, isTaken := taken[port.Published]; isTaken {
				problems = append(problems, fmt.Sprintf("%s and %s want port %s", other, name, port.Published))
			}
			taken[port.Published] = name
		}
	}
	return problems
}
