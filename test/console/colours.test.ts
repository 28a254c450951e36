import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packageRoot } from '../support/postgres/package-root.js'

type Rgb = readonly [number, number, number]
type Matrix = readonly [Rgb, Rgb, Rgb]

const css = readFileSync(join(packageRoot(), 'src/console/base.css'), 'utf8')
const variables = new Map(
  [...css.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)/g)].map(
    ([, name = '', light = '', dark = '']) => [name, { light, dark }],
  ),
)

function colour(name: string, scheme: 'light' | 'dark'): Rgb {
  const hex = variables.get(name)?.[scheme]
  if (hex === undefined) throw new Error(`--${name} is not there`)
  const channel = (i: number): number => linear(Number.parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16) / 255)
  return [channel(0), channel(1), channel(2)]
}

/** Of sRGB, IEC 61966-2-1. */
function linear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
}

/** Machado, Oliveira, Fernandes 2009, at severity 1. */
const EYES: Readonly<Record<string, Matrix>> = {
  'all three cones': [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
}

function times(matrix: Matrix, [r, g, b]: Rgb): Rgb {
  const row = ([x, y, z]: Rgb): number => Math.max(0, x * r + y * g + z * b)
  return [row(matrix[0]), row(matrix[1]), row(matrix[2])]
}

/** Björn Ottosson's OKLab. */
function oklab(rgb: Rgb): Rgb {
  const lms = times(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    rgb,
  ).map(Math.cbrt) as unknown as Rgb
  const [l, m, s] = lms
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ]
}

function distance(a: Rgb, b: Rgb, eye: Matrix): number {
  const [p, q] = [oklab(times(eye, a)), oklab(times(eye, b))]
  return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2])
}

/** WCAG 2.2. */
function contrast(a: Rgb, b: Rgb): number {
  const luminance = ([r, g, blue]: Rgb): number => 0.2126 * r + 0.7152 * g + 0.0722 * blue
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (light + 0.05) / (dark + 0.05)
}

const HUES = [...variables.keys()].filter((name) => name.startsWith('h-'))
/** Of one kind each: what they say differs by more than by which of its outcomes it was. */
const APART = 0.07

describe.each(['light', 'dark'] as const)('on a %s page', (scheme) => {
  test.each(Object.entries(EYES))('kinds of outcomes are told apart with %s', (_, eye) => {
    const close = HUES.flatMap((a, i) =>
      HUES.slice(i + 1)
        .map((b) => ({ a, b, apart: distance(colour(a, scheme), colour(b, scheme), eye) }))
        .filter(({ apart }) => apart < APART),
    )
    expect(close).toEqual([])
  })

  test('each is seen on the page (WCAG 1.4.11)', () => {
    const faint = HUES.map((hue) => ({
      hue,
      contrast: contrast(colour(hue, scheme), colour('paper', scheme)),
    }))
    expect(faint.filter(({ contrast: found }) => found < 3)).toEqual([])
  })
})
