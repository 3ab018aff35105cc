package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/fairwayhq/fairway/conda"
	"github.com/fairwayhq/fairway/python"
)

// Limits bound what is read out of a conda archive. Zero fields take their
// defaults, which fit every package of the large public channels.
type Limits struct {
	// Most files, links and folders of a package. Default: 200000.
	MaxEntries int `json:"max_entries,omitempty"`

	// Most bytes that a package may unpack to. Default: 16 GiB.
	MaxUnpacked int64 `json:"max_unpacked,omitempty"`

	// Most unpacked bytes for each packed one, once more than ratio_from were
	// unpacked. Default: 200.
	MaxRatio int64 `json:"max_ratio,omitempty"`

	// Unpacked bytes from which on max_ratio holds; small archives of zeros are no
	// bombs. Default: 64 MiB.
	RatioFrom int64 `json:"ratio_from,omitempty"`

	// Largest info/index.json, in bytes. Default: 1 MiB.
	MaxIndexJSON int64 `json:"max_index_json,omitempty"`

	// Largest about.json, run_exports.json and link.json, in bytes. Default: 4 MiB.
	MaxInfoFile int64 `json:"max_info_file,omitempty"`

	// Largest info/paths.json and info/files, in bytes. Default: 128 MiB.
	MaxPathsJSON int64 `json:"max_paths_json,omitempty"`

	// Largest window of a zstd stream, in bytes: what reading a package may take of
	// memory. Default: 128 MiB.
	MaxWindow int64 `json:"max_window,omitempty"`

	// How far a package's own time of build may lie ahead of the gateway's clock.
	// Default: 10m.
	FutureTolerance caddy.Duration `json:"future_tolerance,omitempty"`
}

func (l Limits) conda() conda.Limits {
	return conda.Limits{
		MaxEntries: l.MaxEntries, MaxUnpacked: l.MaxUnpacked, MaxRatio: l.MaxRatio, RatioFrom: l.RatioFrom,
		MaxIndexJSON: l.MaxIndexJSON, MaxInfoFile: l.MaxInfoFile, MaxPathsJSON: l.MaxPathsJSON, MaxWindow: l.MaxWindow,
		FutureTolerance: duration(l.FutureTolerance),
	}
}

// options are the Caddyfile's names of the limits.
func (l *Limits) options() options {
	return options{
		"max_entries":      count(&l.MaxEntries),
		"max_unpacked":     size(&l.MaxUnpacked),
		"max_ratio":        count(&l.MaxRatio),
		"ratio_from":       size(&l.RatioFrom),
		"max_index_json":   size(&l.MaxIndexJSON),
		"max_info_file":    size(&l.MaxInfoFile),
		"max_paths_json":   size(&l.MaxPathsJSON),
		"max_window":       size(&l.MaxWindow),
		"future_tolerance": period(&l.FutureTolerance),
	}
}

func (l Limits) validate() error {
	return noneNegative("limits.", map[string]int64{
		"max_entries": int64(l.MaxEntries), "max_unpacked": l.MaxUnpacked, "max_ratio": l.MaxRatio,
		"ratio_from": l.RatioFrom, "max_index_json": l.MaxIndexJSON, "max_info_file": l.MaxInfoFile,
		"max_paths_json": l.MaxPathsJSON, "max_window": l.MaxWindow, "future_tolerance": int64(l.FutureTolerance),
	})
}

// PythonLimits bound what is read out of a wheel or an sdist. Zero fields take their
// defaults.
type PythonLimits struct {
	// Most members of an archive. Default: 100000.
	MaxEntries int `json:"max_entries,omitempty"`

	// Largest central directory of a zip archive, and RECORD of a wheel, in bytes.
	// Default: 32 MiB.
	MaxDirectory int64 `json:"max_directory,omitempty"`

	// Largest METADATA, PKG-INFO or WHEEL, in bytes. Default: 4 MiB.
	MaxMetadata int64 `json:"max_metadata,omitempty"`

	// Most bytes that an archive may unpack to. Default: 16 GiB.
	MaxUnpacked int64 `json:"max_unpacked,omitempty"`

	// Most unpacked bytes for each packed one, once more than ratio_from were
	// unpacked. Default: 50, and 64 MiB.
	MaxRatio  int64 `json:"max_ratio,omitempty"`
	RatioFrom int64 `json:"ratio_from,omitempty"`
}

func (l PythonLimits) python() python.Limits {
	return python.Limits{
		MaxEntries: l.MaxEntries, MaxDirectory: l.MaxDirectory, MaxMetadata: l.MaxMetadata,
		MaxUnpacked: l.MaxUnpacked, MaxRatio: l.MaxRatio, RatioFrom: l.RatioFrom,
	}
}

// options are the Caddyfile's names of the limits.
func (l *PythonLimits) options() options {
	return options{
		"max_entries":   count(&l.MaxEntries),
		"max_directory": size(&l.MaxDirectory),
		"max_metadata":  size(&l.MaxMetadata),
		"max_unpacked":  size(&l.MaxUnpacked),
		"max_ratio":     count(&l.MaxRatio),
		"ratio_from":    size(&l.RatioFrom),
	}
}

func (l PythonLimits) validate() error {
	return noneNegative("python_limits.", map[string]int64{
		"max_entries": int64(l.MaxEntries), "max_directory": l.MaxDirectory, "max_metadata": l.MaxMetadata,
		"max_unpacked": l.MaxUnpacked, "max_ratio": l.MaxRatio, "ratio_from": l.RatioFrom,
	})
}

// noneNegative refuses the first negative setting, by name.
func noneNegative(prefix string, settings map[string]int64) error {
	for _, name := range sortedKeys(settings) {
		if settings[name] < 0 {
			return fmt.Errorf("%s%s is negative: a positive value, or none for the default, is expected", prefix, name)
		}
	}
	return nil
}
