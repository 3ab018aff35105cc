package passthrough

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"strings"
)

// upstream is a configured index, ready to be asked.
type upstream struct {
	name   string
	base   *url.URL // ends in "/"
	index  string   // base as text
	origin string   // of base
	home   string   // origin whose files need no host in their address
	hosts  map[string]bool
	user   string
	pass   string

	pages, files *breaker
}

func newUpstream(c Upstream) (*upstream, error) {
	if c.Name == "" || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(c.Name) > 64 {
		return nil, fmt.Errorf("upstream name %q is not valid: expected at most 64 lower-case letters, digits and '-'", clip(c.Name))
	}
	base, err := parseIndexURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("URL of upstream %s is not usable: %w", c.Name, err)
	}
	u := &upstream{name: c.Name, base: base, index: base.String(), origin: originOf(base), user: c.Username, pass: c.Password}
	u.home = u.origin
	u.hosts = map[string]bool{u.origin: true}
	if base.Scheme == "http" { // it may move on to https, but never back
		u.hosts["https://"+net.JoinHostPort(strings.ToLower(base.Hostname()), "443")] = true
	}
	if base.Hostname() == pypiHost {
		u.home = "https://" + pypiFiles + ":443"
		u.hosts[u.home] = true
	}
	for _, h := range c.FileHosts {
		if err := u.permit(h); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// permit adds a file host. Over an https upstream no file comes by http.
func (u *upstream) permit(host string) error {
	schemes := []string{"https"}
	if u.base.Scheme == "http" {
		schemes = append(schemes, "http")
	}
	for _, scheme := range schemes {
		f, err := url.Parse(scheme + "://" + host + "/")
		if err != nil || f.Hostname() == "" || f.User != nil || f.Path != "/" || f.RawQuery != "" || f.Fragment != "" {
			return fmt.Errorf("file host %q of upstream %s is not valid: expected host or host:port", clip(host), u.name)
		}
		u.hosts[originOf(f)] = true
	}
	return nil
}

// originOf is scheme, host and port, always with a port.
func originOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// permits reports whether an address may be asked for at all.
func (u *upstream) permits(target *url.URL) bool {
	return target.User == nil && u.hosts[originOf(target)]
}

// project is the URL of a project's page.
func (u *upstream) project(name string) *url.URL { return u.base.JoinPath(name, "/") }

// address is where a file of this upstream is served, below "files/<upstream>/":
// see the package's documentation. ok is false for one that cannot be.
func (u *upstream) address(file *url.URL, filename string) (address string, ok bool) {
	p := strings.TrimPrefix(file.Path, "/")
	if origin := originOf(file); origin != u.home {
		host := strings.ToLower(file.Host)
		if home, _, _ := strings.Cut(u.home, "://"); file.Scheme != home {
			host = file.Scheme + "+" + host
		}
		p = "@" + host + "/" + p
	}
	if path.Base(p) != filename {
		p = strings.TrimSuffix(p, "/") + "/" + filename
	}
	// The surface serves canonical paths only.
	if path.Clean(p) != p || strings.HasPrefix(p, "..") || strings.ContainsRune(p, '\\') {
		return "", false
	}
	for i := range len(p) {
		if p[i] < 0x20 || p[i] == 0x7f {
			return "", false
		}
	}
	return p, true
}

// cacheKey names a file of this upstream in the cache.
func (u *upstream) cacheKey(address string) string { return u.name + "/" + address }

// privateHosts are the hosts that may be private, being named for what they are: each
// upstream's own, for behind its name stands whatever the operator means by it (an
// index inside the house, or a mirror that answers to PyPI's names), and file hosts
// that are written as such an address.
func privateHosts(ups []*upstream) (hosts []string) {
	for _, u := range ups {
		for origin := range u.hosts {
			_, addr, _ := strings.Cut(origin, "://")
			host, _, err := net.SplitHostPort(addr)
			if err == nil && (origin == u.origin || origin == u.home || literallyPrivate(host)) {
				hosts = append(hosts, addr)
			}
		}
	}
	return hosts
}
