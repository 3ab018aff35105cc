package caddymodule

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/fairwayhq/fairway/python"
)

func prefetchCommand() *cobra.Command {
	var files []string
	cmd := command("prefetch [pylock.toml|REQUIREMENT ...] [-r FILE]", "Brings files into the pass-through's cache before they are asked for", cobra.ArbitraryArgs,
		func(ctx context.Context, o output, args []string) error {
			var in prefetchInput
			for _, arg := range args {
				items, err := prefetchArgument(arg)
				if err != nil {
					return err
				}
				in.Items = append(in.Items, items...)
			}
			for _, path := range files {
				items, err := readWanted(path)
				if err != nil {
					return err
				}
				in.Items = append(in.Items, items...)
			}
			if len(in.Items) == 0 {
				return errors.New("nothing is asked for: a requirement, -r requirements.txt or a pylock.toml is expected")
			}
			return runPrefetch(ctx, o, in)
		})
	cmd.Flags().StringArrayVarP(&files, "requirement", "r", nil, "`FILE` of requirements, as pip has it, or pylock.toml; may be repeated")
	cmd.Example = "  fairway python prefetch -r requirements.txt\n  fairway python prefetch pylock.toml\n  fairway python prefetch 'numpy>=2' requests"
	return cmd
}

func runPrefetch(ctx context.Context, o output, in prefetchInput) error {
	bar := newProgress(o.err, time.Now)
	got, err := ask[prefetched](ctx, "python/prefetch", in, bar.update)
	bar.clear()
	if err != nil {
		return err
	}
	if o.json {
		if err := o.show(got, "", nil); err != nil {
			return err
		}
	} else {
		for _, f := range got.Failed {
			fmt.Fprintf(o.err, "failed  %s: %s\n", plain(strings.TrimSpace(f.Name+" "+f.File)), plain(f.Reason))
		}
		fmt.Fprintf(o.err, "%s (%s) in the cache, %d failed.\n", english.Plural(got.Files, "file", ""), humanize.IBytes(uint64(got.Bytes)), len(got.Failed))
	}
	if n := len(got.Failed); n > 0 {
		return fmt.Errorf("%d of %d files are not in the cache", n, got.Files+n)
	}
	return nil
}

// prefetchArgument reads a lock file or one requirement.
func prefetchArgument(arg string) ([]prefetchItem, error) {
	if strings.HasSuffix(arg, ".toml") {
		return readWanted(arg)
	}
	return requirements(strings.NewReader(arg))
}

// readWanted reads a lock file, whose name ends in .toml, or requirements.
func readWanted(path string) ([]prefetchItem, error) {
	read := requirements
	if strings.HasSuffix(path, ".toml") {
		read = pylock
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	items, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return items, nil
}

// requirements reads a requirements file of pip's. Its options and hashes say
// nothing of what to fetch: hashes are those of the index's page here.
func requirements(r io.Reader) (items []prefetchItem, err error) {
	lines := bufio.NewScanner(r)
	logical := ""
	for lines.Scan() {
		line := lines.Text()
		if before, more := strings.CutSuffix(line, `\`); more {
			logical += before + " "
			continue
		}
		line, logical = logical+line, ""
		if i := strings.Index(" "+line, " #"); i >= 0 {
			line = line[:i]
		}
		line, _, _ = strings.Cut(line, " --")
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "-") {
			continue
		}
		req, err := python.ParseRequirement(line)
		switch {
		case err != nil:
			return nil, err
		case req.URL != "":
			return nil, fmt.Errorf("requirement %q names a URL: only files of an index are fetched ahead", req.Name)
		}
		items = append(items, prefetchItem{Name: req.Name, Specifiers: specifierText(req.Specifiers)})
	}
	return items, lines.Err()
}

func specifierText(all python.Specifiers) string {
	texts := make([]string, len(all))
	for i, s := range all {
		texts[i] = s.Operator + s.Text
	}
	return strings.Join(texts, ",")
}

// pylock reads a lock file (PEP 751): every file of every package that comes from an
// index.
func pylock(r io.Reader) (items []prefetchItem, err error) {
	type file struct{ Name, URL, Path string }
	var lock struct {
		Version  string `toml:"lock-version"`
		Packages []struct {
			Name   string
			SDist  *file
			Wheels []file
		}
	}
	if _, err := toml.NewDecoder(r).Decode(&lock); err != nil {
		return nil, fmt.Errorf("it is no TOML document: %w", err)
	}
	if !strings.HasPrefix(lock.Version, "1.") {
		return nil, fmt.Errorf("lock-version is %q: a pylock.toml of version 1 is expected", lock.Version)
	}
	for _, p := range lock.Packages {
		files := p.Wheels
		if p.SDist != nil {
			files = append(files, *p.SDist)
		}
		for _, f := range files {
			name := f.Name
			for _, from := range []string{f.URL, f.Path} {
				if from, _, _ = strings.Cut(from, "#"); name == "" && from != "" {
					name = path.Base(from)
				}
			}
			items = append(items, prefetchItem{Name: p.Name, Filename: name})
		}
	}
	return items, nil
}
