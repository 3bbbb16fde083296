# Written by `python -m fournil.record.native`; change fournil/record/ instead.
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef enum:
    RECORDING_VERSION = 4
    RECORDING_HEADER_SIZE = 4096
    TURN_BUCKETS = 384
    MAX_LOOPS = 64
    MAX_THREADS = 256
    MAX_POOLS = 64
    MAX_WORKERS = 256
    COARSE_BIT = 2147483648
    COARSE_SHIFT = 12
    SITE_BIT = 2147483648
    NAME_BIT = 2147483648
    FLAG_FIRST = 1
    TASK_PENDING = 0
    TASK_FINISHED = 1
    TASK_RAISED = 2
    TASK_CANCELLED = 3
    TASK_DESTROYED = 4
    THREAD_FREE = 0
    THREAD_LOOP = 1
    THREAD_SCRIPT = 2
    THREAD_CLOSED = 3
    THREAD_CALLS = 4
    SITE_COROUTINE = 1
    SITE_CALLBACK = 2
    POOL_FREE = 0
    POOL_OPEN = 1
    POOL_CLOSED = 2
    CALL_DONE = 1
    CALL_RAISED = 2
    CALL_CANCELLED = 3
    CALL_ABANDONED = 4
    CALL_DIED = 5
    SAW_ON_CPU = 1
    SAW_GIL_HELD = 2
    SAW_GIL_WAIT = 4
    SAW_KERNEL = 8
    SAW_WANTED_CPU = 16
    SAW_OVER = 32
    SAW_KEPT = 64
    WATCH_NO_THREADS = 65536
    CONTROL_THRESHOLD = 1
    KIND_TASK = 1
    KIND_CALLBACK = 2
    KIND_TIMER = 3
    KIND_READER = 4
    KIND_WRITER = 5
    KIND_SCRIPT = 6
    KIND_CALL = 7
    KIND_WAIT = 16
    KIND_BORN = 17
    KIND_ENDED = 18
    SAMPLE_LOOK = 1
    SAMPLE_ASK = 2
    SAMPLE_BLOCKED = 3
    SAMPLE_HOLDER = 4
    SAMPLE_NAME = 5
    SAMPLE_GIL_WAIT = 6
    SAMPLE_LATE = 7
    SAMPLE_SERVED = 8


cdef struct Header:
    char magic[8]
    uint32_t version
    uint32_t header_size
    uint64_t size
    uint32_t pid
    uint32_t tsc
    uint64_t program
    uint32_t parent
    uint32_t meta_text
    uint32_t switch_interval_ns
    uint32_t watch_signal
    uint64_t started_unix_ns
    uint64_t started_ns
    uint64_t started_ticks
    uint64_t clock_sequence
    uint64_t clock_ns
    uint64_t clock_ticks
    uint64_t ended_ticks
    uint64_t threshold_ticks
    uint64_t text_offset
    uint64_t text_size
    uint64_t sites_offset
    uint64_t sites_count
    uint64_t tasks_offset
    uint64_t tasks_count
    uint64_t threads_offset
    uint64_t threads_count
    uint64_t loops_offset
    uint64_t loops_count
    uint64_t pools_offset
    uint64_t pools_count
    uint64_t workers_offset
    uint64_t workers_count
    uint64_t history_offset
    uint64_t history_count
    uint64_t samples_offset
    uint64_t samples_count
    uint64_t events_offset
    uint64_t events_count
    uint64_t calls_offset
    uint64_t calls_count
    uint64_t text_used
    uint64_t text_dropped
    uint64_t sites_used
    uint64_t sites_dropped
    uint64_t tasks_used
    uint64_t tasks_born
    uint64_t tasks_dropped
    uint64_t tasks_recycled
    uint64_t loops_used
    uint64_t loops_dropped
    uint64_t loops_recycled
    uint64_t threads_used
    uint64_t threads_dropped
    uint64_t pools_used
    uint64_t pools_dropped
    uint64_t pools_recycled
    uint64_t workers_dropped
    uint64_t history_head
    uint64_t samples_head
    uint64_t events_head
    uint64_t calls_head
    uint64_t forks
    uint64_t watch_unanswered
    uint32_t watch_signal_lost
    uint32_t watch_error
    uint32_t end
    uint32_t end_code
    uint64_t control_request
    uint32_t control_command
    uint32_t control_refused
    uint64_t control_value
    uint64_t control_answered
    uint64_t listening_ticks
    uint64_t accepted_ticks
    uint64_t other_loops


cdef struct Site:
    uint64_t steps
    uint64_t busy
    uint64_t delay
    uint64_t longest
    uint64_t tasks
    uint64_t ended
    uint64_t never_awaited
    uint64_t never_retrieved
    uint32_t function
    uint32_t file
    uint32_t line
    uint32_t flags


cdef struct Task:
    uint32_t id
    uint32_t site
    uint32_t parent
    uint32_t name
    uint32_t longest
    uint16_t state
    uint16_t thread
    uint64_t steps
    uint64_t busy
    uint64_t delay
    uint64_t born
    uint64_t last


cdef struct Thread:
    uint32_t sequence
    uint32_t number
    uint32_t native_id
    uint32_t name
    uint16_t state
    uint16_t kind
    uint32_t subject
    uint64_t begin
    uint64_t waiting_since
    uint64_t returned
    uint64_t opened
    uint64_t closed


cdef struct Loop:
    uint32_t sequence
    uint32_t pending
    uint64_t running_since
    uint64_t ran
    uint64_t steps
    uint64_t busy
    uint64_t longest
    uint64_t blocked
    uint64_t polls
    uint64_t idle
    uint64_t gil_waited
    uint64_t gil_longest
    uint64_t longest_turn
    uint64_t turns[384]


cdef struct Pool:
    uint32_t number
    uint32_t state
    uint32_t kind
    uint32_t name
    uint32_t workers
    uint64_t opened
    uint64_t closed
    uint64_t calls
    uint64_t done
    uint64_t raised
    uint64_t cancelled
    uint64_t abandoned
    uint64_t died
    uint64_t ran
    uint64_t waited
    uint64_t out
    uint64_t inside
    uint64_t back
    uint64_t longest
    uint64_t cpu
    uint64_t bytes_out
    uint64_t bytes_back


cdef struct Worker:
    uint32_t sequence
    uint32_t pool
    uint32_t name
    uint32_t site
    uint64_t call
    uint64_t since


cdef struct HistoryRow:
    uint64_t at
    uint32_t lasted
    uint32_t loop
    uint32_t steps
    uint32_t pending
    uint32_t blocked
    uint32_t busy
    uint32_t gil_waited
    uint32_t lag_p99
    uint32_t lag_max


cdef struct Event:
    uint64_t begin
    uint32_t duration
    uint32_t delay
    uint32_t subject
    uint32_t waker
    uint16_t thread
    uint8_t kind
    uint8_t flags
    uint32_t extra


cdef struct Sample:
    uint64_t at
    uint64_t since
    uint64_t begin
    uint64_t number
    uint64_t delay
    uint32_t subject
    uint32_t stack
    uint32_t ask
    uint32_t extra
    uint16_t thread
    uint8_t kind
    uint8_t evidence
    uint8_t step_kind
    uint8_t generation


cdef struct Call:
    uint64_t queued
    uint64_t sent
    uint64_t began
    uint64_t ended
    uint64_t received
    uint32_t bytes_out
    uint32_t bytes_back
    uint32_t subject
    uint32_t site
    uint32_t worker
    uint16_t pool
    uint16_t state
