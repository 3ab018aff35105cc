package python

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"io"
	"strings"
)

// inspectWheel checks a wheel: a sound zip archive with exactly one directory
// *.dist-info, of the name and version that the file name states, in which
// METADATA, WHEEL and RECORD are; RECORD lists what is in the archive.
func inspectWheel(src *source, name Filename, lim Limits) (*Dist, error) {
	members, err := readZip(src, lim)
	if err != nil {
		return nil, err
	}
	info, err := distInfo(members, name)
	if err != nil {
		return nil, err
	}
	files := make(map[string]*zipMember, len(members))
	for i := range members {
		if m := &members[i]; !strings.HasSuffix(m.name, "/") {
			files[m.name] = m
		}
	}
	read := func(file string, limit int64) ([]byte, error) {
		m := files[info+"/"+file]
		if m == nil {
			return nil, invalid("wheel has no %s/%s", clip(info), file)
		}
		if m.unpacked > limit {
			return nil, invalid("wheel has a %s of %d bytes: expected at most %d", file, m.unpacked, limit)
		}
		var b bytes.Buffer
		b.Grow(int(m.unpacked))
		err := m.unpack(src, &b)
		return b.Bytes(), err
	}
	record, err := read("RECORD", lim.MaxDirectory)
	if err != nil {
		return nil, err
	}
	wheel, err := read("WHEEL", lim.MaxMetadata)
	if err != nil {
		return nil, err
	}
	if err := checkWheelFile(wheel); err != nil {
		return nil, err
	}
	raw, err := read("METADATA", lim.MaxMetadata)
	if err != nil {
		return nil, err
	}
	metadata, err := ParseMetadata(raw)
	if err != nil {
		return nil, err
	}
	if err := checkRecord(record, files, info, raw); err != nil {
		return nil, err
	}
	return &Dist{File: name, Metadata: metadata, RawMetadata: raw}, nil
}

// distInfo finds the one directory of metadata.
func distInfo(members []zipMember, name Filename) (string, error) {
	var info string
	for i := range members {
		top, _, below := strings.Cut(members[i].name, "/")
		if !below || !strings.HasSuffix(strings.ToLower(top), ".dist-info") || top == info {
			continue
		}
		if info != "" {
			return "", invalid("wheel has two metadata directories, %q and %q: expected one", clip(info), clip(top))
		}
		info = top
	}
	if info == "" {
		return "", invalid("wheel has no metadata directory: expected {name}-{version}.dist-info")
	}
	stem, ok := strings.CutSuffix(info, ".dist-info")
	if f, err := parseSdist(info, stem, name.Name); !ok || err != nil || f.Version.Compare(name.Version) != 0 {
		return "", invalid("wheel has the metadata directory %q: expected one of %s %s, as its file name says", clip(info), name.Name, name.Version)
	}
	return info, nil
}

func checkWheelFile(raw []byte) error {
	for line := range bytes.Lines(raw) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		if !strings.EqualFold(string(key), "Wheel-Version") {
			continue
		}
		version := string(bytes.TrimSpace(value))
		if major, _, _ := strings.Cut(version, "."); major != "1" {
			return invalid("wheel is of Wheel-Version %q: expected 1.x", clip(version))
		}
		return nil
	}
	return invalid("wheel states no Wheel-Version in its WHEEL file")
}

// checkRecord compares RECORD with what is in the archive. Installers unpack
// all members, and uninstall what RECORD lists: a difference is a fault or a
// trick. The hash of METADATA is checked, because that file is served alone.
func checkRecord(record []byte, files map[string]*zipMember, info string, metadata []byte) error {
	listed := make(map[string]bool, len(files))
	for line := range bytes.Lines(record) {
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return invalid("wheel has an empty line in its RECORD, at which pip gives up")
		}
	}
	r := csv.NewReader(bytes.NewReader(record))
	r.FieldsPerRecord = 3
	r.ReuseRecord = true
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return invalid("wheel has a RECORD that is no table of path, hash and size, separated by commas")
		}
		path := row[0]
		if files[path] == nil {
			return invalid("wheel lists %q in RECORD, which it does not have", clip(path))
		}
		if listed[path] {
			return invalid("wheel lists %q twice in RECORD", clip(path))
		}
		listed[strings.Clone(path)] = true
		if path == info+"/METADATA" {
			if digest, found := strings.CutPrefix(row[1], "sha256="); found {
				sum := sha256.Sum256(metadata)
				if strings.TrimRight(digest, "=") != base64.RawURLEncoding.EncodeToString(sum[:]) {
					return invalid("wheel has another METADATA than its RECORD says")
				}
			}
		}
	}
	for path := range files {
		if !listed[path] && path != info+"/RECORD" && path != info+"/RECORD.jws" && path != info+"/RECORD.p7s" {
			return invalid("wheel has %q, which its RECORD does not list", clip(path))
		}
	}
	return nil
}
