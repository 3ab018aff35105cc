package passthrough

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// journal remembers what the file cache holds: a line of JSON for each entry added
// or deleted. A line that a crash tore is passed over. Beside it lies a mark while
// no process uses the cache; without it, no file is trusted before it was hashed.
type journal struct {
	path, mark string
	f          *os.File
	lines      int
}

type line struct {
	Add *stored `json:"add,omitempty"`
	Del string  `json:"del,omitempty"`
}

// openJournal reads what is stored, the least recently used first.
func openJournal(path, mark string) (*journal, []*stored, error) {
	clean := os.Remove(mark) == nil
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("reading cache journal: %w", err)
	}
	entries := map[string]*stored{}
	var order []*stored
	for text := range bytes.Lines(raw) {
		var l line
		if json.Unmarshal(text, &l) != nil {
			continue
		}
		if s := l.Add; s != nil && len(s.SHA256) == 64 && s.Key != "" {
			if !clean {
				s.Modified = 0
			}
			entries[s.Key] = s
			order = append(order, s)
		}
		delete(entries, l.Del)
	}
	known := order[:0]
	for _, s := range order {
		if entries[s.Key] == s {
			known = append(known, s)
		}
	}
	j := &journal{path: path, mark: mark}
	return j, known, nil
}

// rewrite replaces the journal by one of these entries.
func (j *journal) rewrite(entries []*stored) error {
	tmp, err := os.Create(j.path + ".new")
	if err != nil {
		return fmt.Errorf("making cache journal: %w", err)
	}
	w := bufio.NewWriterSize(tmp, 64<<10)
	enc := json.NewEncoder(w)
	for _, s := range entries {
		if err = enc.Encode(line{Add: s}); err != nil {
			break
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = os.Rename(tmp.Name(), j.path)
	}
	if err != nil {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("writing cache journal: %w", err)
	}
	_ = j.close()
	j.f, j.lines = tmp, len(entries)
	return nil
}

func (j *journal) add(s *stored) error  { return j.append(line{Add: s}) }
func (j *journal) del(key string) error { return j.append(line{Del: key}) }

func (j *journal) append(l line) error {
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encoding cache journal: %w", err)
	}
	j.lines++
	if _, err := j.f.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("writing cache journal: %w", err)
	}
	return nil
}

// markClean says that the cache was left in good order.
func (j *journal) markClean() error {
	if err := os.WriteFile(j.mark, nil, 0o600); err != nil {
		return fmt.Errorf("marking cache as clean: %w", err)
	}
	return nil
}

func (j *journal) close() error {
	if j.f == nil {
		return nil
	}
	err := j.f.Close()
	j.f = nil
	return err
}
