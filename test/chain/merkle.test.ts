import { createHash } from 'node:crypto'
import {
  consistencyProof,
  inclusionProof,
  leafHash,
  merkleRoot,
  type TreeSize,
  verifyConsistency,
  verifyInclusion,
} from 'otel-audit/chain'
import { describe, expect, test } from 'vitest'

// Inputs and roots of the certificate-transparency tests (merkle_tree_test.cc), sizes 0 to 8.
const CT_LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const CT_ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]
const EMPTY = Buffer.from(CT_ROOTS[0] ?? '', 'hex')
const ctLeaves = CT_LEAVES.map((hex) => leafHash(Buffer.from(hex, 'hex')))
const hex = (hashes: readonly Uint8Array[]): string[] =>
  hashes.map((hash) => Buffer.from(hash).toString('hex'))

/** The tree by the definitions of RFC 6962, section 2.1, word by word; subtrees are remembered by their bounds. */
class NaiveTree {
  readonly #leaves: readonly Uint8Array[]
  readonly #known = new Map<number, Buffer>()

  constructor(leaves: readonly Uint8Array[]) {
    this.#leaves = leaves
  }

  root(from: number, to: number): Buffer {
    const key = from * 1000 + to
    const root = this.#known.get(key) ?? this.#root(from, to)
    this.#known.set(key, root)
    return root
  }

  #root(from: number, to: number): Buffer {
    if (to === from) return createHash('sha256').digest()
    if (to - from === 1) return Buffer.from(this.#leaves[from] ?? [])
    const k = split(to - from)
    return createHash('sha256')
      .update(Uint8Array.of(1))
      .update(this.root(from, from + k))
      .update(this.root(from + k, to))
      .digest()
  }

  path(m: number, from: number, to: number): Buffer[] {
    if (to - from === 1) return []
    const k = split(to - from)
    return m < k
      ? [...this.path(m, from, from + k), this.root(from + k, to)]
      : [...this.path(m - k, from + k, to), this.root(from, from + k)]
  }

  subproof(m: number, from: number, to: number, whole: boolean): Buffer[] {
    if (m === to - from) return whole ? [] : [this.root(from, to)]
    const k = split(to - from)
    return m <= k
      ? [...this.subproof(m, from, from + k, whole), this.root(from + k, to)]
      : [...this.subproof(m - k, from + k, to, false), this.root(from, from + k)]
  }
}

const split = (n: number): number => 2 ** Math.floor(Math.log2(n - 1))
const LARGEST = 300
const leaves = Array.from({ length: LARGEST }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)))
const naive = new NaiveTree(leaves)
const sizes = Array.from({ length: LARGEST }, (_, i) => i + 1)

describe('known answers', () => {
  test.each(CT_ROOTS.map((root, size) => [size, root] as const))('the root of %i leaves', (size, root) => {
    expect(hex([merkleRoot(ctLeaves.slice(0, size))])).toEqual([root])
  })

  // From the same tests: merkle_verifier_test.cc.
  test('inclusion', () => {
    expect(hex(inclusionProof(ctLeaves, 0))).toEqual([
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ])
    expect(hex(inclusionProof(ctLeaves, 5))).toEqual([
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ])
  })

  test('consistency', () => {
    expect(hex(consistencyProof(ctLeaves, 6))).toEqual([
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ])
    expect(hex(consistencyProof(ctLeaves.slice(0, 5), 2))).toEqual([
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ])
  })
})

describe(`all sizes up to ${LARGEST}, against the definitions of the RFC`, () => {
  test('inclusion of every leaf', () => {
    for (const size of sizes) {
      const tree = leaves.slice(0, size)
      const root = merkleRoot(tree)
      if (!root.every((byte, i) => byte === naive.root(0, size)[i])) throw new Error(`root of ${size}`)
      for (const [index, leaf] of tree.entries()) {
        const expected = naive.path(index, 0, size)
        verifyInclusion(leaf, index, size, expected, root)
        // The proof itself takes time that grows with the size: each index for the small ones, some for the large ones.
        if (size > 64 && (size + index) % 17 > 0) continue
        const proof = inclusionProof(tree, index)
        if (hex(proof).join() !== hex(expected).join()) throw new Error(`proof of ${index} in ${size}`)
      }
    }
  })

  test('consistency with every older size', () => {
    for (const size of sizes) {
      const tree = leaves.slice(0, size)
      for (let older = 1; older <= size; older++) {
        const expected = naive.subproof(older, 0, size, true)
        verifyConsistency(older, size, expected, naive.root(0, older), naive.root(0, size))
        if (size > 64 && (size + older) % 17 > 0) continue
        const proof = consistencyProof(tree, older)
        if (hex(proof).join() !== hex(expected).join()) throw new Error(`proof of ${older} in ${size}`)
      }
    }
  })
})

/** Every way to spoil a proof: one bit of each hash, one hash less, one more, at each end. */
function spoilt(proof: readonly Uint8Array[]): Uint8Array[][] {
  const extra = leafHash(Buffer.from('extra'))
  const flipped = proof.map((hash, at) => {
    const bad = Buffer.from(hash)
    bad[at % 32] = (bad[at % 32] ?? 0) ^ 1
    return proof.map((other, i) => (i === at ? bad : other))
  })
  return [
    ...flipped,
    [...proof, extra],
    [extra, ...proof],
    [...proof, ...proof.slice(-1), extra],
    ...(proof.length > 0 ? [proof.slice(1), proof.slice(0, -1)] : []),
    ...(proof.length > 1 ? [proof.toReversed()] : []),
  ]
}

const REFUTED = expect.objectContaining({ code: 'AUDIT_PROOF_REFUTED', row: 'unknown' })
const MALFORMED = expect.objectContaining({ code: 'AUDIT_PROOF_MALFORMED' })

describe('what is not true', () => {
  const SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33]

  test('a spoilt inclusion proof, another leaf, another index, another size', () => {
    for (const size of SIZES) {
      const tree = leaves.slice(0, size)
      const root = merkleRoot(tree)
      for (const [index, leaf] of tree.entries()) {
        const proof = inclusionProof(tree, index)
        for (const bad of spoilt(proof))
          expect(() => verifyInclusion(leaf, index, size, bad, root)).toThrow(REFUTED)
        expect(() => verifyInclusion(leafHash(Buffer.from('?')), index, size, proof, root)).toThrow(REFUTED)
        expect(() => verifyInclusion(leaf, index, size, proof, EMPTY)).toThrow(REFUTED)
        for (let other = 0; other < size; other++) {
          if (other !== index) expect(() => verifyInclusion(leaf, other, size, proof, root)).toThrow(REFUTED)
        }
      }
    }
  })

  test('a spoilt consistency proof, or another root', () => {
    for (const size2 of SIZES) {
      for (let size1 = 1; size1 < size2; size1++) {
        const proof = consistencyProof(leaves.slice(0, size2), size1)
        const roots = [naive.root(0, size1), naive.root(0, size2)] as const
        for (const bad of spoilt(proof))
          expect(() => verifyConsistency(size1, size2, bad, ...roots)).toThrow(REFUTED)
        expect(() => verifyConsistency(size1, size2, proof, roots[1], roots[1])).toThrow(REFUTED)
        expect(() => verifyConsistency(size1, size2, proof, roots[0], roots[0])).toThrow(REFUTED)
        expect(() => verifyConsistency(size1, size2, proof, EMPTY, roots[1])).toThrow(REFUTED)
      }
    }
  })
})

describe('the empty tree', () => {
  const root = naive.root(0, 5)

  test('is the beginning of every tree, by no proof', () => {
    expect(consistencyProof(leaves.slice(0, 5), 0)).toEqual([])
    verifyConsistency(0, 5, [], EMPTY, root)
    verifyConsistency(0, 0, [], EMPTY, EMPTY)
    verifyConsistency(0n, 2n ** 80n, [], EMPTY, root)
  })

  test('has one root only, and needs no proof', () => {
    expect(() => verifyConsistency(0, 5, [], root, root)).toThrow(REFUTED)
    expect(() => verifyConsistency(0, 0, [], root, root)).toThrow(REFUTED)
    expect(() => verifyConsistency(0, 0, [], EMPTY, root)).toThrow(REFUTED)
    expect(() => verifyConsistency(0, 5, [root], EMPTY, root)).toThrow(REFUTED)
    expect(() => verifyConsistency(0, 0, [EMPTY], EMPTY, EMPTY)).toThrow(REFUTED)
  })

  test('has no leaf', () => {
    expect(() => inclusionProof([], 0)).toThrow(MALFORMED)
    expect(() => verifyInclusion(EMPTY, 0, 0, [], EMPTY)).toThrow(MALFORMED)
  })
})

test('a tree is itself, by no proof', () => {
  for (const size of [1, 2, 3, 300]) {
    const root = naive.root(0, size)
    expect(consistencyProof(leaves.slice(0, size), size)).toEqual([])
    verifyConsistency(size, size, [], root, root)
    expect(() => verifyConsistency(size, size, [root], root, root)).toThrow(REFUTED)
    expect(() => verifyConsistency(size, size, [], root, EMPTY)).toThrow(REFUTED)
  }
})

describe('what no tree can have', () => {
  const leaf = leaves[0] ?? EMPTY
  const WRONG_SIZES: TreeSize[] = [-1, 1.5, Number.NaN, Infinity, 2 ** 53, -1n]

  test.each(WRONG_SIZES)('%s, as a size or an index', (wrong) => {
    expect(() => verifyInclusion(leaf, wrong, 5, [], leaf)).toThrow(MALFORMED)
    expect(() => verifyInclusion(leaf, 0, wrong, [], leaf)).toThrow(MALFORMED)
    expect(() => verifyConsistency(wrong, 5, [], leaf, leaf)).toThrow(MALFORMED)
    expect(() => verifyConsistency(0, wrong, [], EMPTY, leaf)).toThrow(MALFORMED)
    expect(() => inclusionProof(leaves, Number(wrong))).toThrow(MALFORMED)
    expect(() => consistencyProof(leaves, Number(wrong))).toThrow(MALFORMED)
  })

  test('an index beyond the last leaf; a tree that shrinks', () => {
    expect(() => verifyInclusion(leaf, 1, 1, [], leaf)).toThrow(MALFORMED)
    expect(() => verifyInclusion(leaf, 2n ** 60n, 2n ** 60n, [], leaf)).toThrow(MALFORMED)
    expect(() => inclusionProof(leaves, LARGEST)).toThrow(MALFORMED)
    expect(() => consistencyProof(leaves, LARGEST + 1)).toThrow(MALFORMED)
    expect(() => verifyConsistency(6, 5, [], leaf, leaf)).toThrow(MALFORMED)
  })

  test.each([
    ['31 bytes', new Uint8Array(31)],
    ['33 bytes', new Uint8Array(33)],
    ['nothing', undefined],
    ['text', CT_ROOTS[0]],
    ['an array of 32 numbers', Array.from({ length: 32 }, () => 0)],
  ])('a hash that is %s', (_, wrong) => {
    const bad = wrong as Uint8Array
    expect(() => merkleRoot([leaf, bad])).toThrow(MALFORMED)
    expect(() => inclusionProof([leaf, bad], 0)).toThrow(MALFORMED)
    expect(() => consistencyProof([leaf, bad], 1)).toThrow(MALFORMED)
    expect(() => verifyInclusion(bad, 0, 1, [], leaf)).toThrow(MALFORMED)
    expect(() => verifyInclusion(leaf, 0, 1, [], bad)).toThrow(MALFORMED)
    expect(() => verifyInclusion(leaf, 0, 2, [bad], leaf)).toThrow(MALFORMED)
    expect(() => verifyConsistency(1, 2, [bad], leaf, leaf)).toThrow(MALFORMED)
    expect(() => verifyConsistency(0, 2, [], bad, leaf)).toThrow(MALFORMED)
    expect(() => verifyConsistency(1, 1, [], leaf, bad)).toThrow(MALFORMED)
  })

  test('a proof that is no array', () => {
    expect(() => verifyInclusion(leaf, 0, 1, undefined as unknown as Uint8Array[], leaf)).toThrow(MALFORMED)
  })
})

test('sizes beyond 2^53 are bigints', () => {
  // The last leaf of a tree of 2^60 + 1: alone at its right edge, below the root.
  const left = naive.root(0, 1)
  const leaf = leaves[7] ?? EMPTY
  const root = createHash('sha256').update(Uint8Array.of(1)).update(left).update(leaf).digest()
  verifyInclusion(leaf, 2n ** 60n, 2n ** 60n + 1n, [left], root)
  verifyConsistency(2n ** 60n, 2n ** 60n + 1n, [leaf], left, root)
  expect(() => verifyInclusion(leaf, 2n ** 60n - 1n, 2n ** 60n + 1n, [left], root)).toThrow(REFUTED)
})
