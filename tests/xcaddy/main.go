// Command xcaddy builds Caddy as a JSON-encoded xcaddy.Builder says: xcaddy itself
// reads no configuration file.
//
//	xcaddy BUILDER.json OUTPUT
//
// Replacements that begin with a dot are relative to the JSON file's folder.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "xcaddy: the arguments BUILDER.json and OUTPUT are expected")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "xcaddy:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, config, output string) error {
	b, err := read(config)
	if err != nil {
		return fmt.Errorf("reading %s: %w", config, err)
	}
	return b.Build(ctx, output)
}

func read(config string) (*xcaddy.Builder, error) {
	f, err := os.Open(config)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	b := new(xcaddy.Builder)
	if err := dec.Decode(b); err != nil {
		return nil, err
	}
	for i, r := range b.Replacements {
		if !strings.HasPrefix(r.New.String(), ".") {
			continue
		}
		abs, err := filepath.Abs(filepath.Join(filepath.Dir(config), r.New.String()))
		if err != nil {
			return nil, err
		}
		b.Replacements[i].New = xcaddy.ReplacementPath(abs)
	}
	return b, nil
}
