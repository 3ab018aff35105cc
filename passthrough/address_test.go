package passthrough

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"151.101.0.223": true, "8.8.8.8": true, "2a04:4e42::223": true, "64:ff9b::808:808": true,
		"127.0.0.1": false, "127.9.9.9": false, "0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "172.16.0.1": false,
		"172.31.255.255": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "100.127.255.255": false,
		"198.18.0.1": false, "192.0.0.192": false, "224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false,
		"::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd00:ec2::254": false, "fec0::1": false,
		"ff02::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:8.8.8.8": true, "::127.0.0.1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "2002:7f00:1::": false, "2002:a00:1::1": false, "2001:db8::1": false,
	} {
		if got := public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s public: %v, want %v", addr, got, want)
		}
	}
}

// An address is checked when it is connected to, whatever the name was; hosts
// that the operator named are permitted, with that port where one is named.
func TestDialPrivate(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	for _, c := range []struct {
		private []string
		addr    string
		ok      bool
	}{
		{nil, addr, false},
		{nil, "localhost:" + port, false},
		{nil, "[::ffff:127.0.0.1]:" + port, false},
		{[]string{"localhost"}, "localhost:" + port, true},
		{[]string{"LOCALHOST:" + port}, "localhost:" + port, true},
		{[]string{"localhost:1"}, "localhost:" + port, false},
		{[]string{"localhost"}, addr, false},
		{[]string{addr}, addr, true},
	} {
		conn, err := newDialer(5*time.Second, c.private).DialContext(ctx, "tcp", c.addr)
		if conn != nil {
			_ = conn.Close()
		}
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, errPrivate) {
			t.Errorf("private %v, dial %s: %v", c.private, c.addr, err)
		}
	}
}

// What no dial could match is refused, not passed over.
func TestPrivateHosts(t *testing.T) {
	t.Parallel()
	for host, ok := range map[string]bool{
		"localhost": true, "Index.internal:8443": true, "10.1.2.3": true, "10.1.2.3:8080": true, "::1": true, "[::1]:80": true,
		"": false, "http://index.internal": false, "10.0.0.0/8": false, "*.internal": false, "*": false, "index.internal:99999": false, ":80": false, "a b": false,
	} {
		c := Config{Dir: t.TempDir(), Upstreams: []Upstream{PyPI()}, PrivateHosts: []string{host}}
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", host, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	u, err := newUpstream(Upstream{Name: "up", URL: "https://index.example/root/simple", FileHosts: []string{"cdn.example", "cdn.example:8443"}})
	if err != nil {
		t.Fatal(err)
	}
	pypi, err := newUpstream(PyPI())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := newUpstream(Upstream{Name: "plain", URL: "http://index.example:8080/simple/", FileHosts: []string{"cdn.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		u         *upstream
		url, file string
		address   string // "" for refused
	}{
		{u, "https://index.example/root/f/a-1.zip", "a-1.zip", "root/f/a-1.zip"},
		{u, "https://INDEX.example:443/root/f/a-1.zip", "a-1.zip", "root/f/a-1.zip"},
		{u, "https://cdn.example/f/a-1.zip", "a-1.zip", "@cdn.example/f/a-1.zip"},
		{u, "https://cdn.example:8443/f/a-1.zip", "a-1.zip", "@cdn.example:8443/f/a-1.zip"},
		{u, "https://cdn.example/f/download?x=1", "a-1.zip", "@cdn.example/f/download/a-1.zip"},
		{u, "http://index.example/f/a-1.zip", "a-1.zip", ""},
		{u, "http://cdn.example/f/a-1.zip", "a-1.zip", ""},
		{u, "https://index.example:444/f/a-1.zip", "a-1.zip", ""},
		{u, "https://cdn.example.evil/f/a-1.zip", "a-1.zip", ""},
		{u, "https://u:p@index.example/f/a-1.zip", "a-1.zip", ""},
		{u, "https://index.example/f/%2e%2e/%2e%2e/a-1.zip", "a-1.zip", ""},
		{u, "https://index.example/f//a-1.zip", "a-1.zip", ""},
		{u, "https://index.example/f%5c/a-1.zip", "a-1.zip", ""},
		{u, "https://index.example/f%00/a-1.zip", "a-1.zip", ""},
		{pypi, "https://" + pypiFiles + "/packages/aa/a-1.zip", "a-1.zip", "packages/aa/a-1.zip"},
		{pypi, "https://" + pypiHost + "/x/a-1.zip", "a-1.zip", "@" + pypiHost + "/x/a-1.zip"},
		{plain, "http://index.example:8080/f/a-1.zip", "a-1.zip", "f/a-1.zip"},
		{plain, "https://cdn.example/f/a-1.zip", "a-1.zip", "@https+cdn.example/f/a-1.zip"},
		{plain, "http://cdn.example/f/a-1.zip", "a-1.zip", "@cdn.example/f/a-1.zip"},
	} {
		file, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := c.u.address(file, c.file)
		if ok = ok && c.u.permits(file); !ok {
			got = ""
		}
		if got != c.address {
			t.Errorf("%s: %q, want %q", c.url, got, c.address)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	good := Config{Dir: "x", Upstreams: []Upstream{PyPI()}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Config){
		"no folder":   func(c *Config) { c.Dir = "" },
		"no upstream": func(c *Config) { c.Upstreams = nil },
		"twice":       func(c *Config) { c.Upstreams = []Upstream{PyPI(), PyPI()} },
		"credentials": func(c *Config) { c.Upstreams = []Upstream{{Name: "a", URL: "https://u:hunter2@h/simple/"}} },
		"unparsable":  func(c *Config) { c.Upstreams = []Upstream{{Name: "a", URL: "https://u:hunter2@h:x/simple/"}} },
		"scheme":      func(c *Config) { c.Upstreams = []Upstream{{Name: "a", URL: "ftp://h/simple/"}} },
		"query":       func(c *Config) { c.Upstreams = []Upstream{{Name: "a", URL: "https://h/simple/?key=hunter2"}} },
		"name":        func(c *Config) { c.Upstreams = []Upstream{{Name: "A/b", URL: "https://h/simple/"}} },
		"file host": func(c *Config) {
			c.Upstreams = []Upstream{{Name: "a", URL: "https://h/simple/", FileHosts: []string{"x/y"}}}
		},
		"glob":           func(c *Config) { c.Allow = []string{"a["} },
		"exempt version": func(c *Config) { c.CooldownExempt = []string{"a==banana"} },
		"mode":           func(c *Config) { c.Mode = 9 },
		"negative":       func(c *Config) { c.StaleFor = -1 },
	} {
		c := good
		change(&c)
		err := c.Validate()
		if err == nil {
			t.Errorf("%s: accepted", what)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error tells a credential: %v", what, err)
		}
		if _, err := Open(c, &house{}); err == nil {
			t.Errorf("%s: opened", what)
		}
	}
}
