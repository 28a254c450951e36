/** The smallest and the largest 64-bit integer: no id is outside. Those that this library makes are not negative. */
export const INT8_MIN: bigint = -(2n ** 63n)
export const INT8_MAX: bigint = 2n ** 63n - 1n
