// The formulas of kernels/reference.py for one element each, in the order of that file; R is float or double.
//
// A number is written R(0.5), never 0.5: a double among floats makes the whole expression double, and slow on a GPU.
// In a comparison with NaN the second branch is taken, and chosen so that NaN stays NaN, as it does in NumPy.
#pragma once

#include "host_device.cuh"

// ---------------------------------------------------------------------------------------------------------
// Activations. Each derivative is written in terms of the output y.

enum Activation { IDENTITY = 0, RELU = 1, TANH = 2, SIGMOID = 3, SOFTPLUS = 4, LEAKY_RELU = 5 };
#define LEAK 0.2  // the slope of leaky_relu below zero; not yet run on a GPU

// max(a, 0).
template <class R>
HD R relu(R a) {
    return a < R(0) ? R(0) : a;
}

// log(1 + exp(a)), as max(a, 0) + log(1 + exp(-|a|)), where nothing can overflow.
template <class R>
HD R softplus(R a) {
    return relu(a) + log1p(exp(-fabs(a)));
}

// 1 / (1 + exp(-a)) = exp(-softplus(-a)).
template <class R>
HD R sigmoid(R a) {
    return exp(-softplus(-a));
}

// act(a).
template <class R>
HD R activate(int activation, R a) {
    switch (activation) {
        case RELU: return relu(a);
        case TANH: return tanh(a);
        case SIGMOID: return sigmoid(a);
        case SOFTPLUS: return softplus(a);
        case LEAKY_RELU: return a > R(0) ? a : R(LEAK) * a;
        default: return a;
    }
}

// act'(a), from y = act(a).
template <class R>
HD R activation_derivative(int activation, R y) {
    switch (activation) {
        case RELU: return y > R(0) ? R(1) : R(0);
        case TANH: return R(1) - y * y;
        case SIGMOID: return y * (R(1) - y);
        case SOFTPLUS: return -expm1(-y);
        case LEAKY_RELU: return y > R(0) ? R(1) : R(LEAK);
        default: return R(1);
    }
}

// ---------------------------------------------------------------------------------------------------------
// The latent variable

// sigma = exp(logvar / 2).
template <class R>
HD R standard_deviation(R logvar) {
    return exp(R(0.5) * logvar);
}

// One dimension's part of KL( N(mu, sigma^2) || N(0, 1) ), in nats: (mu^2 + exp(logvar) - 1 - logvar) / 2.
template <class R>
HD R gaussian_kl_term(R mu, R logvar) {
    return R(0.5) * (mu * mu + expm1(logvar) - logvar);
}

// d KL / d logvar = (exp(logvar) - 1) / 2; d KL / d mu is mu itself.
template <class R>
HD R gaussian_kl_dlogvar(R logvar) {
    return R(0.5) * expm1(logvar);
}

// ---------------------------------------------------------------------------------------------------------
// Likelihoods: -log p(x|z) of one dimension, in nats, and its derivative

// log(1 + exp(l)) - x l, given log_normaliser = softplus(l).
template <class R>
HD R bernoulli_nll_term(R logit, R x, R log_normaliser) {
    return log_normaliser - logit * x;
}

// d nll / d l = sigmoid(l) - x, given log_normaliser = softplus(l).
template <class R>
HD R bernoulli_dlogit(R logit, R x, R log_normaliser) {
    return exp(logit - log_normaliser) - x;
}

// How far the mean is from x, by the measure of the variance.
template <class R>
struct Residual {
    R dmean;  // d nll / d mean = (mean - x) / exp(logvar)
    R r;      // (x - mean)^2 / exp(logvar)
};

template <class R>
HD Residual<R> gaussian_residual(R mean, R x, R logvar) {
    R precision = exp(-logvar), difference = mean - x;
    return {difference * precision, difference * difference * precision};
}

// (log 2 pi + logvar + r) / 2.
template <class R>
HD R gaussian_nll_term(R logvar, R r) {
    return R(0.5) * (R(1.8378770664093455) + logvar + r);
}

// d nll / d logvar = (1 - r) / 2.
template <class R>
HD R gaussian_nll_dlogvar(R r) {
    return R(0.5) * (R(1) - r);
}

// What a softmax over the logits l[0] to l[n - 1] needs to know of all of them.
template <class R>
struct Softmax {
    R largest;  // taken off first, so that nothing overflows
    R log_sum;  // log sum_j exp(l_j - largest)
};

template <class R>
HD Softmax<R> softmax_of(const R* l, int n) {
    R largest = l[0];
    for (int j = 1; j < n; ++j) largest = l[j] > largest ? l[j] : largest;
    double sum = 0;
    for (int j = 0; j < n; ++j) sum += double(exp(l[j] - largest));
    return {largest, log(R(sum))};
}

// log softmax(l)_j of one logit.
template <class R>
HD R log_softmax(R logit, Softmax<R> softmax) {
    return (logit - softmax.largest) - softmax.log_sum;
}

// ---------------------------------------------------------------------------------------------------------
// Optimizers: one parameter w with the gradient g, in place

// u <- momentum u + g; w <- w - learning_rate u.
template <class R>
HD void sgd_element(R& w, R g, R& velocity, R learning_rate, R momentum) {
    velocity = momentum * velocity + g;
    w -= learning_rate * velocity;
}

// s <- s + g^2; w <- w - learning_rate g / (sqrt(s) + epsilon).
template <class R>
HD void adagrad_element(R& w, R g, R& sum_of_squares, R learning_rate, R epsilon) {
    sum_of_squares += g * g;
    w -= learning_rate * g / (sqrt(sum_of_squares) + epsilon);
}

// The numbers of an Adam step that are the same for all parameters.
struct AdamStep {
    double size;          // learning_rate sqrt(1 - beta2^t) / (1 - beta1^t)
    double root_epsilon;  // sqrt(1 - beta2^t) epsilon
};

// base^n by squaring: at most 32 rounds of two products, where pow takes hundreds of instructions of a GPU.
HD double power(double base, unsigned n) {
    double result = 1;
    for (; n > 0; n /= 2) {
        if (n % 2 == 1) result *= base;
        base *= base;
    }
    return result;
}

// In double even where the parameters are float: 1 - beta2^t cancels at the start.
HD AdamStep adam_step(unsigned t, double learning_rate, double beta1, double beta2, double epsilon) {
    double root = sqrt(1 - power(beta2, t));
    return {learning_rate * root / (1 - power(beta1, t)), root * epsilon};
}

// m <- m + (1 - beta1) (g - m); v <- v + (1 - beta2) (g^2 - v); w <- w - size m / (sqrt(v) + root_epsilon).
template <class R>
HD void adam_element(R& w, R g, R& m, R& v, double beta1, double beta2, AdamStep step) {
    m += R(1 - beta1) * (g - m);
    v += R(1 - beta2) * (g * g - v);
    w -= R(step.size) * (m / (sqrt(v) + R(step.root_epsilon)));
}

// d/dw (l1 |w| + l2 w^2 / 2) = l1 sign(w) + l2 w.
template <class R>
HD R penalty_gradient(R w, R l1, R l2) {
    R sign = w > R(0) ? R(1) : (w < R(0) ? R(-1) : R(0));
    return l1 * sign + l2 * w;
}
