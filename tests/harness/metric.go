package harness

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Metric is the sum of a metric's series whose labels hold all of these texts, as
// in `result="hit"`.
func (g *Gateway) Metric(t testing.TB, name string, labels ...string) (sum float64) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + g.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	found := false
series:
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		series, value, ok := strings.Cut(lines.Text(), " ")
		if !ok || series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		found = true
		for _, l := range labels {
			if !strings.Contains(series, l) {
				continue series
			}
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if !found {
		t.Fatalf("/metrics has no %s", name)
	}
	return sum
}
