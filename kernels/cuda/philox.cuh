// The noise of kernels/philox.py: Philox4x32-10, the same integers on the CPU and on the GPU.
//
//     key      the 64-bit seed, low half first
//     counter  (dimension / 4, example, step, stream)
//
// One call serves four neighbouring dimensions of one example. Uniforms and normals are computed in double and rounded
// once, so that float and double models train on the same noise.
#pragma once

#include "host_device.cuh"

// Each use of randomness has a stream of its own; the numbers are those of philox.py.
enum Stream { EPS = 0, BINARIZE = 1, SHUFFLE = 5 };

struct Words {
    unsigned word[4];
};

struct FourNumbers {
    double number[4];
};

// Ten rounds of (c0, c1, c2, c3) <- (high_2 ^ c1 ^ k0, low_2, high_0 ^ c3 ^ k1, low_0), where high and low are the
// halves of the products of c0 and c2 with two constants.
HD Words philox4x32(unsigned c0, unsigned c1, unsigned c2, unsigned c3, unsigned long long seed) {
    unsigned k0 = unsigned(seed), k1 = unsigned(seed >> 32);
    for (int round = 0; round < 10; ++round) {
        unsigned long long product0 = 0xD2511F53ull * c0, product2 = 0xCD9E8D57ull * c2;
        c0 = unsigned(product2 >> 32) ^ c1 ^ k0;
        c1 = unsigned(product2);
        c2 = unsigned(product0 >> 32) ^ c3 ^ k1;
        c3 = unsigned(product0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// u = (r + 1/2) / 2^32, strictly between 0 and 1.
HD FourNumbers to_unit_interval(Words words) {
    FourNumbers u;
    for (int i = 0; i < 4; ++i) u.number[i] = (words.word[i] + 0.5) * (1.0 / 4294967296.0);
    return u;
}

// Two normals from two uniforms: the radius sqrt(-2 log u_0), the angle 2 pi u_1; cosine first, then sine.
HD FourNumbers box_muller(FourNumbers u) {
    FourNumbers normal;
    for (int i = 0; i < 4; i += 2) {
        double radius = sqrt(-2.0 * log(u.number[i]));
        double angle = 6.283185307179586 * u.number[i + 1];
        normal.number[i] = radius * cos(angle);
        normal.number[i + 1] = radius * sin(angle);
    }
    return normal;
}
