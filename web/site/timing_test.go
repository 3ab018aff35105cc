package site

import (
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/authz"
	"github.com/fairwayhq/fairway/gateway"
)

// How long a refusal takes tells nothing of whether a key with that id exists: a wrong
// secret of one that does, and a key that does not, are compared with Welch's t, below
// 4.5 of which leakage tests take two distributions for the same (ISO/IEC 17825). Noise
// of the machine can only hide a difference for a while or make one up once, so the
// test is repeated before it complains.
func TestRefusalsTakeTheSameTimeForWrongAndUnknownKeys(t *testing.T) {
	w := newWorld(t, gateway.Config{FailuresPerMinute: 1 << 30})
	w.populate()
	wrong := []byte(w.admin)
	for i := 15; i < 47; i++ { // the secret part
		wrong[i] = 'a'
	}
	unknown, _ := authz.NewToken(authz.SecretKey)
	var worst float64
	for range 4 {
		worst = math.Abs(w.welch(t, string(wrong), unknown))
		if worst < 4.5 {
			return
		}
	}
	t.Errorf("|t| is %.1f four times: below 4.5 is expected", worst)
}

func (w *world) welch(t *testing.T, a, b string) float64 {
	t.Helper()
	const samples = 20_000
	serve := w.site.All()
	requests := [2]*http.Request{}
	for i, token := range []string{a, b} {
		requests[i] = httptest.NewRequest("GET", "/lic/noarch/repodata.json", nil)
		requests[i].Header.Set("Authorization", "Bearer "+token)
	}
	var took [2][]float64
	for n := range 2 * samples {
		i := n & 1
		if n&2 != 0 {
			i ^= 1 // a b b a: neither always goes first
		}
		rec := httptest.NewRecorder()
		began := time.Now()
		serve(rec, requests[i])
		d := time.Since(began)
		if rec.Code != 401 {
			t.Fatalf("answered %d", rec.Code)
		}
		took[i] = append(took[i], float64(d))
	}
	var mean, variance, count [2]float64
	for i := range took {
		slices.Sort(took[i])
		kept := took[i][:len(took[i])*8/10] // without interrupts and collections
		count[i] = float64(len(kept))
		for _, v := range kept {
			mean[i] += v / count[i]
		}
		for _, v := range kept {
			variance[i] += (v - mean[i]) * (v - mean[i]) / (count[i] - 1)
		}
	}
	return (mean[0] - mean[1]) / math.Sqrt(variance[0]/count[0]+variance[1]/count[1])
}
