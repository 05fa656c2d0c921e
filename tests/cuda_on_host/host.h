// CUDA C++ for the host compiler: what the sources in kernels/cuda use of CUDA, so that their logic can be run where
// there is no GPU. A stand-in, not a GPU: it knows nothing of warps, caches, occupancy or the device's arithmetic.
//
// Blocks run one after the other, so that __shared__ variables can be static ones. The threads of a block run one after
// the other too, each up to its next __syncthreads(): for that they are fibers, with stacks of their own. A block whose
// first thread ends without a barrier has none, and its other threads are plain calls.
//
// What is found, and reported as an error: a barrier that some threads of a block never reach, or threads that wait at
// different ones. Before each block the shared memory is filled with ones (NaN), as nothing may be expected in it. A
// launch can run its blocks and threads in reverse: if the result is another one, the kernel has a race.

#pragma once

#include <ucontext.h>


#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#define __CUDACC__
#define __CUDACC_RTC__
#define __global__
#define __host__
#define __device__ static  // of a static function even the __shared__ variables are ordinary data
#define __forceinline__ inline
#define __launch_bounds__(...)
#ifdef __ELF__
#define __shared__ static __attribute__((section("shared_memory")))
extern char __start_shared_memory[] __attribute__((weak, visibility("hidden")));
extern char __stop_shared_memory[] __attribute__((weak, visibility("hidden")));
#else
#define __shared__ static
#endif
#define __syncthreads() cuda_on_host::barrier(__LINE__)

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
dim3 threadIdx{0, 0, 0}, blockIdx{0, 0, 0}, blockDim, gridDim;

using std::abs, std::cos, std::exp, std::expm1, std::fabs, std::fmax, std::fmin, std::log, std::log1p, std::pow, std::sin;
using std::isfinite, std::isinf, std::isnan, std::max, std::min, std::sqrt, std::tanh;
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((unsigned long long)a * b >> 32); }

namespace cuda_on_host {

using Body = void (*)(void** arguments);  // what one thread does

void live();  // what a fiber does

// Switching from one stack to another.
#ifdef __x86_64__
struct Context {
    void* stack_pointer;
};

// Keeps the registers that a called function has to keep, by the System V ABI; a call of swapcontext does that too, and
// asks the system for the signal mask, which takes a hundred times as long.
extern "C" __attribute__((visibility("hidden"))) void switch_stacks(void** from, void* to) asm("switch_stacks");
asm(R"(
    .text
    .p2align 4
switch_stacks:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");

void switch_to(Context& from, Context& to) { switch_stacks(&from.stack_pointer, to.stack_pointer); }

void begin_at_live(Context& context, char* stack, std::size_t size) {
    void** top = reinterpret_cast<void**>(stack + size);
    *--top = nullptr;  // where live would return to
    *--top = reinterpret_cast<void*>(live);
    context.stack_pointer = top - 6;  // six registers, of any value
}
#else
using Context = ucontext_t;

void switch_to(Context& from, Context& to) { swapcontext(&from, &to); }

void begin_at_live(Context& context, char* stack, std::size_t size) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size;
    makecontext(&context, live, 0);
}
#endif

struct Fiber {
    Context context;
    char* stack = nullptr;
    bool is_made = false, has_ended = false;
    int line = 0;  // of the barrier that it waits at
};

constexpr int STACK = 1 << 16, MAX_THREADS = 1024;
Fiber fibers[MAX_THREADS];
Context scheduler;
int threads, turn, last_turn;  // of the block; whose turn it is; when the scheduler comes back
bool is_reverse, is_in_fiber;
Body body;
void** arguments;
char* message;
bool has_failed;

void fail(const char* format, int a, int b, int c = 0) {
    if (!has_failed) std::snprintf(message, 256, format, a, b, c);
    has_failed = true;
}

int thread_of(int turn) { return is_reverse ? threads - 1 - turn : turn; }

// From fiber to fiber, and not by way of the scheduler: then all return addresses are as the processor predicts them.
void switch_to_turn(Context& from, int next) {
    turn = next;
    threadIdx.x = thread_of(turn);
    switch_to(from, fibers[threadIdx.x].context);
}

void pass_on() {
    Context& mine = fibers[threadIdx.x].context;
    if (turn == last_turn)
        switch_to(mine, scheduler);
    else
        switch_to_turn(mine, turn + 1);
}

void run_turns(int first, int last) {
    last_turn = last;
    is_in_fiber = true;
    switch_to_turn(scheduler, first);
    is_in_fiber = false;
}

void live() {  // one block after the other
    for (;;) {
        body(arguments);
        fibers[threadIdx.x].has_ended = true;
        pass_on();
    }
}

void make_fibers() {
    for (int t = 0; t < threads; ++t) {
        if (fibers[t].is_made) continue;
        if (fibers[t].stack == nullptr) fibers[t].stack = static_cast<char*>(std::malloc(STACK));
        begin_at_live(fibers[t].context, fibers[t].stack, STACK - t % 64 * 256);  // or all tops share a cache line
        fibers[t].is_made = true;
    }
}

__attribute__((noinline)) void barrier(int line) {
    if (!is_in_fiber)
        return fail("thread %d reaches the __syncthreads() of line %d, but another one of its block ends before",
                    threadIdx.x, line);
    fibers[threadIdx.x].line = line;
    pass_on();
}

// All threads of a block must have ended, or wait at the same barrier.
void check_that_all_are_at_one_place() {
    int ended = 0, waiting = -1;
    for (int t = 0; t < threads; ++t) {
        if (fibers[t].has_ended)
            ++ended;
        else if (waiting >= 0 && fibers[t].line != fibers[waiting].line)
            fail("threads of a block wait at different __syncthreads(), of lines %d and %d", fibers[waiting].line,
                 fibers[t].line);
        else
            waiting = t;
    }
    if (ended != 0 && ended != threads)
        fail("%d of %d threads of a block have ended, while others wait at the __syncthreads() of line %d", ended,
             threads, fibers[waiting].line);
}

void run_block() {
    for (int t = 0; t < threads; ++t) fibers[t].has_ended = false;
    run_turns(0, 0);
    if (fibers[thread_of(0)].has_ended) {
        for (int i = 1; i < threads; ++i) {
            threadIdx.x = thread_of(i);
            body(arguments);
        }
        return;
    }
    if (threads > 1) run_turns(1, threads - 1);
    check_that_all_are_at_one_place();
    while (!has_failed && !fibers[0].has_ended) {
        run_turns(0, threads - 1);
        check_that_all_are_at_one_place();
    }
    if (has_failed)
        for (int t = 0; t < threads; ++t) fibers[t].is_made = fibers[t].has_ended;  // the others stay where they are
}

int launch(Body thread_body, unsigned grid, unsigned block, bool reverse, void** values, char* text) {
    body = thread_body, arguments = values, message = text;
    threads = int(block), is_reverse = reverse, has_failed = false;
    gridDim.x = grid, blockDim.x = block;
    make_fibers();
    for (unsigned i = 0; i < grid && !has_failed; ++i) {
        blockIdx.x = reverse ? grid - 1 - i : i;
#ifdef __ELF__
        if (__start_shared_memory) std::memset(__start_shared_memory, 0xff, __stop_shared_memory - __start_shared_memory);
#endif
        run_block();
    }
    return has_failed;
}

// The parameters of a kernel as text that NumPy's dtypes understand: "i4" and "f8" for numbers, "*f8" for a pointer, and
// "*const f8" for one through which nothing is written.
template <class T>
void describe(char*& end) {
    if constexpr (std::is_pointer_v<T>) {
        end += std::sprintf(end, std::is_const_v<std::remove_pointer_t<T>> ? "*const " : "*");
        describe<std::remove_cv_t<std::remove_pointer_t<T>>>(end);
    } else {
        char kind = std::is_floating_point_v<T> ? 'f' : std::is_signed_v<T> ? 'i' : 'u';
        end += std::sprintf(end, "%c%d,", kind, int(sizeof(T)));
    }
}

template <class... P>
void signature(void (*)(P...), char* text) {
    (describe<P>(text), ...);
}

template <class... P, std::size_t... I>
void apply(void (*kernel)(P...), void** values, std::index_sequence<I...>) {
    kernel(*static_cast<P*>(values[I])...);
}

template <class... P>
void call(void (*kernel)(P...), void** values) {
    apply(kernel, values, std::index_sequence_for<P...>{});
}

}  // namespace cuda_on_host

#define LAUNCHER(kernel)                                                                                          \
    extern "C" void signature_##kernel(char* text) { cuda_on_host::signature(kernel, text); }                     \
    extern "C" int launch_##kernel(unsigned grid, unsigned block, int reverse, void** values, char* text) {       \
        return cuda_on_host::launch([](void** v) { cuda_on_host::call(kernel, v); }, grid, block, reverse != 0,   \
                                    values, text);                                                                \
    }
