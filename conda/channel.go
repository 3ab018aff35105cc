package conda

import (
	"slices"
	"strings"
)

const (
	maxChannel = 200 // bytes of a channel's whole name
	maxSegment = 128 // and of a segment of it (CEP 26)
	maxSubdir  = 32  // and of a subdir (CEP 26)
)

// knownSubdirs are those that conda or rattler look for packages in.
var knownSubdirs = []string{
	"noarch", "android-32", "android-64", "android-aarch64", "android-armv7a", "emscripten-wasm32", "emscripten-wasm64",
	"freebsd-32", "freebsd-64", "freebsd-arm64", "ios-arm64", "iossimulator-64", "iossimulator-arm64", "linux-32",
	"linux-64", "linux-aarch64", "linux-armv6l", "linux-armv7l", "linux-loongarch64", "linux-ppc", "linux-ppc64",
	"linux-ppc64le", "linux-riscv32", "linux-riscv64", "linux-s390x", "osx-64", "osx-arm64", "wasi-wasm32", "win-32",
	"win-64", "win-arm64", "zos-z",
}

// reservedFirst cannot begin a channel's name, for other surfaces answer there.
var reservedFirst = []string{"api", "v1", "pypi", "legacy", "simple", "_", "favicon.ico", "robots.txt"}

// reservedAnywhere cannot be a segment of a channel's name: they mean something
// wherever they stand in a path.
var reservedAnywhere = []string{"t", "label", "shards", "channeldata.json", "notices.json", "index.html"}

// ValidChannel checks the name of a channel: one or more segments with a slash
// between them, each as CEP 26 says, and none that a path could be misread by.
// The error is an [*InvalidError].
func ValidChannel(name string) error {
	if name == "" || len(name) > maxChannel {
		return invalid("the channel name %s has %d bytes: 1 to %d are expected", clip(name), len(name), maxChannel)
	}
	first, _, _ := strings.Cut(name, "/")
	if slices.Contains(reservedFirst, first) {
		return invalid("the channel name %s is taken: no channel can begin with %q", clip(name), first)
	}
	for segment := range strings.SplitSeq(name, "/") {
		switch {
		case segment == "":
			return invalid("the channel name %s is not valid: it has an empty segment", clip(name))
		case len(segment) > maxSegment:
			return invalid("the channel name %s is not valid: a segment has %d bytes, at most %d are expected", clip(name), len(segment), maxSegment)
		case segment[0] == '.' || segment[0] == '-':
			return invalid("the channel name %s is not valid: each segment is expected to begin with a letter, a digit or an underscore (CEP 26)", clip(name))
		case slices.Contains(reservedAnywhere, segment) || KnownSubdir(segment):
			return invalid("the channel name %s is not valid: %q has a meaning of its own in the paths of a channel", clip(name), segment)
		}
		for i := range len(segment) {
			if c := segment[i]; !isLower(c) && !isDigit(c) && !isSeparator(c) {
				return invalid("the channel name %s is not valid: only a-z, 0-9, '-', '_', '.' and '/' are expected (CEP 26)", clip(name))
			}
		}
	}
	return nil
}

// ValidSubdir reports whether s is shaped as a subdir: noarch, or <os>-<arch>
// (CEP 26).
func ValidSubdir(s string) bool {
	if s == "noarch" {
		return true
	}
	os, arch, ok := strings.Cut(s, "-")
	return ok && len(s) <= maxSubdir && alphanumeric(os) && alphanumeric(arch)
}

func alphanumeric(s string) bool {
	for i := range len(s) {
		if !isLower(s[i]) && !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// KnownSubdir reports whether clients know s as a subdir.
func KnownSubdir(s string) bool { return slices.Contains(knownSubdirs, s) }

// KnownSubdirs are the subdirs that clients know, noarch first; the caller owns
// the slice.
func KnownSubdirs() []string { return slices.Clone(knownSubdirs) }
