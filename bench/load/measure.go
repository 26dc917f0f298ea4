package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What came of a scenario. Rates are of what was answered well; times are seconds and milliseconds.
type result struct {
	Scenario   string  `json:"scenario"`
	Done       int64   `json:"done"`
	Refused    int64   `json:"refused"`
	Unsent     int64   `json:"unsent"` // due by -rate while all clients waited for answers
	Errors     int64   `json:"errors"`
	Seconds    float64 `json:"seconds"`
	PerSecond  float64 `json:"per_second"`
	MiBPerS    float64 `json:"mib_per_second"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	CPU        float64 `json:"server_cpu_seconds"`
	Memory     float64 `json:"server_peak_mib"`
	FirstError string  `json:"first_error,omitempty"`
}

const heading = "scenario                  per s     MiB/s    p50 ms    p99 ms  refused  unsent  errors  server CPU ms/op  peak MiB"

func (r result) row() string {
	perOp := 0.0
	if r.Done > 0 {
		perOp = r.CPU * 1000 / float64(r.Done)
	}
	return fmt.Sprintf("%-20s %10.1f %9.1f %9.1f %9.1f %8d %7d %7d %17.3f %9.0f",
		r.Scenario, r.PerSecond, r.MiBPerS, r.P50, r.P99, r.Refused, r.Unsent, r.Errors, perOp, r.Memory)
}

type samples struct {
	from                   time.Time // what was answered before does not count
	mutex                  sync.Mutex
	times                  []time.Duration
	bytes, refused, unsent int64
	errors                 int64
	first                  string
}

func (s *samples) note(took time.Duration, size int64, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var no refused
	switch {
	case (err == nil || errors.As(err, &no)) && time.Now().Before(s.from):
	case err == nil:
		s.times = append(s.times, took)
		s.bytes += size
	case errors.As(err, &no):
		s.refused++
	default:
		if s.errors++; s.first == "" {
			s.first = err.Error()
		}
	}
}

func (s *samples) at(share float64) float64 {
	if len(s.times) == 0 {
		return 0
	}
	return float64(s.times[int(share*float64(len(s.times)-1))]) / float64(time.Millisecond)
}

// Runs a scenario; one of small requests by its rate, if there is one, all others by so many clients.
func measure(s *scenario, act work, o options) result {
	count := s.count(o)
	if count > 0 {
		o.warmup = 0
	}
	watched := watch(o.pid, o.warmup)
	from := time.Now().Add(o.warmup)
	seen := &samples{from: from}
	switch {
	case count > 0:
		closed(act, s.clients(o), seen, o, count, from.Add(time.Hour))
	case o.rate > 0:
		open(act, seen, o)
	default:
		closed(act, s.clients(o), seen, o, math.MaxInt64, from.Add(o.duration))
	}
	took := time.Since(from).Seconds()
	cpu, memory := watched()
	sort.Slice(seen.times, func(i, j int) bool { return seen.times[i] < seen.times[j] })
	done := int64(len(seen.times))
	return result{Scenario: s.name, Done: done, Refused: seen.refused, Unsent: seen.unsent, Errors: seen.errors, Seconds: took,
		PerSecond: float64(done) / took, MiBPerS: float64(seen.bytes) / (1 << 20) / took,
		P50: seen.at(0.5), P99: seen.at(0.99), CPU: cpu, Memory: memory, FirstError: seen.first}
}

// Clients that each ask when they were answered, so often together or until then; who was refused asks the same again,
// when it was told to.
func closed(act work, clients int, seen *samples, o options, count int64, end time.Time) {
	var next int64 = -1
	var all sync.WaitGroup
	for range clients {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := atomic.AddInt64(&next, 1); n < count && time.Now().Before(end); n = atomic.AddInt64(&next, 1) {
				for wait := time.Duration(0); wait >= 0 && time.Now().Before(end); {
					time.Sleep(min(wait, time.Until(end)))
					begun := time.Now()
					size, err := act(n)
					seen.note(time.Since(begun), size, err)
					wait = o.pause(err)
				}
			}
		}()
	}
	all.Wait()
}

// How long to wait before the same is asked again; less than nothing: it is done.
func (o options) pause(err error) time.Duration {
	var no refused
	switch {
	case !errors.As(err, &no):
		return -1
	case o.impatient:
		return 0
	default:
		return no.after
	}
}

// Requests at their times, whatever is answered: what users do who know nothing of each other. A request's time begins
// when it was due.
func open(act work, seen *samples, o options) {
	var all sync.WaitGroup
	places := make(chan bool, o.clients)
	begun := time.Now()
	total := int64(o.rate * (o.warmup + o.duration).Seconds())
	for n := int64(0); n < total; n++ {
		due := begun.Add(time.Duration(float64(n) / o.rate * float64(time.Second)))
		if wait := time.Until(due); wait > time.Millisecond {
			time.Sleep(wait)
		}
		select {
		case places <- true:
		default:
			seen.unsent++
			continue
		}
		all.Add(1)
		go func(n int64) {
			defer all.Done()
			defer func() { <-places }()
			size, err := act(n)
			seen.note(time.Since(due), size, err)
		}(n)
	}
	all.Wait()
}

// ---- the server's processes

func tree(pid int) []int {
	found := []int{pid}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, child := range strings.Fields(string(text)) {
		if number, err := strconv.Atoi(child); err == nil {
			found = append(found, tree(number)...)
		}
	}
	return found
}

// CPU seconds, of /proc/PID/stat: user and system, in ticks of 10 ms.
func cpuOf(pid int) (seconds float64) {
	for _, member := range tree(pid) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", member))
		fields := strings.Fields(string(text)[strings.LastIndex(string(text), ")")+1:])
		if len(fields) > 12 {
			user, _ := strconv.ParseFloat(fields[11], 64)
			system, _ := strconv.ParseFloat(fields[12], 64)
			seconds += (user + system) / 100
		}
	}
	return seconds
}

// MiB; what processes share counts once.
func memoryOf(pid int) (mib float64) {
	for _, member := range tree(pid) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", member))
		for _, line := range strings.Split(string(text), "\n") {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Pss:" {
				kib, _ := strconv.ParseFloat(fields[1], 64)
				mib += kib / 1024
			}
		}
	}
	return mib
}

// Watches, after a while; what it returns ends that, and tells CPU seconds and the most memory, MiB.
func watch(pid int, warmup time.Duration) func() (float64, float64) {
	if pid == 0 {
		return func() (float64, float64) { return 0, 0 }
	}
	stop, stopped := make(chan bool), make(chan bool)
	before, most := cpuOf(pid), memoryOf(pid)
	go func() {
		defer close(stopped)
		time.Sleep(warmup)
		before = cpuOf(pid)
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				most = max(most, memoryOf(pid))
			}
		}
	}()
	return func() (float64, float64) {
		close(stop)
		<-stopped
		return cpuOf(pid) - before, max(most, memoryOf(pid))
	}
}
