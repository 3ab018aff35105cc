package authz

import (
	"fmt"
	"strconv"
	"strings"
)

// Visibility says who may see a channel or a Python project.
type Visibility uint8

const (
	// Licensed is for every key with the permission and, where the resource belongs
	// to a project, of that project or of none. It is the zero value: a resource
	// that nobody described does not fall open.
	Licensed Visibility = iota
	// Open is for anyone to read.
	Open
	// Closed is for keys that hold package:read-closed.
	Closed
)

var visibilities = [...]string{Licensed: "licensed", Open: "open", Closed: "closed"}

// String is "licensed", "open" or "closed".
func (v Visibility) String() string {
	if int(v) >= len(visibilities) {
		return "visibility(" + strconv.Itoa(int(v)) + ")"
	}
	return visibilities[v]
}

// ParseVisibility is String's inverse, in any case.
func ParseVisibility(s string) (Visibility, error) {
	for i, name := range visibilities {
		if strings.EqualFold(s, name) {
			return Visibility(i), nil
		}
	}
	return 0, fmt.Errorf("%s is no visibility: open, licensed or closed is expected", quote(s))
}

// Resource is what a decision is about. What is not known or does not apply is
// left empty; how a key's scope takes that is written at [Scope].
type Resource struct {
	Engine     string // [EngineConda] or [EnginePyPI]; "" for neither
	Project    string // id of the project that owns it, "" for none
	Channel    string
	Subdir     string
	Package    string // name in any spelling
	Visibility Visibility
}

// The engines.
const (
	EngineConda = "conda"
	EnginePyPI  = "pypi" // has packages, but neither channels nor subdirs
)
