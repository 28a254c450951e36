import { AuditError } from '../errors.js'
import { HASH_BYTES, isHash, sameBytes } from './hash.js'
import { sha256 } from '../event/sha256.js'

/** How many leaves a tree has, or which of them. A `number` beyond 2^53 is refused: it would be another one. */
export type TreeSize = number | bigint

/** The root of the tree without leaves: SHA-256 of nothing. */
export const EMPTY_ROOT: Uint8Array = sha256('')

const LEAF_PREFIX = Buffer.from([0])
const NODE_PREFIX = 1

/** Hash of a leaf: `SHA-256(0x00 ‖ data)`, RFC 6962, section 2.1. */
export function leafHash(data: Uint8Array): Buffer {
  return sha256(Buffer.concat([LEAF_PREFIX, data]))
}

// Reused: its bytes are hashed before anybody else writes to it.
const node = Buffer.alloc(1 + 2 * HASH_BYTES, NODE_PREFIX)

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1)
  node.set(right, 1 + HASH_BYTES)
  return sha256(node)
}

/**
 * A tree that grows leaf by leaf, and remembers no more of them than its root needs: one hash for each bit that is set
 * in its size.
 */
export class MerkleFrontier {
  /** Roots of the full subtrees that it consists of, from the largest to the smallest. */
  readonly #subtrees: Uint8Array[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @param leaf hash of the leaf, 32 bytes */
  add(leaf: Uint8Array): void {
    let subtree = leaf
    for (let size = this.#size; size % 2 === 1; size = (size - 1) / 2) {
      subtree = nodeHash(this.#subtrees.pop() ?? EMPTY_ROOT, subtree)
    }
    this.#subtrees.push(subtree)
    this.#size++
  }

  get root(): Uint8Array {
    let root: Uint8Array | undefined
    for (let i = this.#subtrees.length - 1; i >= 0; i--) {
      const subtree = this.#subtrees[i] ?? EMPTY_ROOT
      root = root === undefined ? subtree : nodeHash(subtree, root)
    }
    return root ?? EMPTY_ROOT
  }
}

/**
 * The Merkle tree hash of RFC 6962, section 2.1.
 *
 * @param leafHashes 32 bytes each, in the order of the leaves
 * @throws AuditError `AUDIT_PROOF_MALFORMED` for a hash that is not 32 bytes
 */
export function merkleRoot(leafHashes: readonly Uint8Array[]): Uint8Array {
  return rootOf(leafHashes, 0, leafHashes.length)
}

function rootOf(leafHashes: readonly Uint8Array[], from: number, to: number): Uint8Array {
  const tree = new MerkleFrontier()
  for (let i = from; i < to; i++) tree.add(checkedHash('a leaf hash', leafHashes[i]))
  return tree.root
}

/**
 * The audit path of RFC 6962, section 2.1.1: what proves that a leaf is in the tree.
 *
 * @param leafHashes 32 bytes each
 * @param index of the leaf, from 0
 * @returns hashes from the leaf's sibling upwards
 * @throws AuditError `AUDIT_PROOF_MALFORMED` for a hash that is not 32 bytes, or an index that is not in the tree
 */
export function inclusionProof(leafHashes: readonly Uint8Array[], index: number): Uint8Array[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= leafHashes.length) {
    throw malformed(`index ${String(index)} is not in a tree of ${leafHashes.length} leaves`)
  }
  const proof: Uint8Array[] = []
  let level: readonly Uint8Array[] = leafHashes.map((leaf) => checkedHash('a leaf hash', leaf))
  for (let i = index; level.length > 1; i = Math.floor(i / 2)) {
    const sibling = level[i % 2 === 0 ? i + 1 : i - 1]
    // The last node of an odd level has none, and goes up as it is.
    if (sibling !== undefined) proof.push(sibling)
    level = levelAbove(level)
  }
  return proof
}

function levelAbove(level: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = []
  for (let i = 0; i < level.length; i += 2) {
    const left = level[i] ?? EMPTY_ROOT
    const right = level[i + 1]
    above.push(right === undefined ? left : nodeHash(left, right))
  }
  return above
}

/**
 * The consistency proof of RFC 6962, section 2.1.2: what proves that the first `size1` leaves are still the same.
 * Empty when that needs no proof: none of them, or all.
 *
 * @param leafHashes 32 bytes each
 * @throws AuditError `AUDIT_PROOF_MALFORMED` for a hash that is not 32 bytes, or a size that is not in the tree
 */
export function consistencyProof(leafHashes: readonly Uint8Array[], size1: number): Uint8Array[] {
  if (!Number.isSafeInteger(size1) || size1 < 0 || size1 > leafHashes.length) {
    throw malformed(`a tree of ${leafHashes.length} leaves never had ${String(size1)}`)
  }
  const proof: Uint8Array[] = []
  if (size1 === 0) return proof
  let from = 0
  let to = leafHashes.length
  // Down to the subtree that ends where the old tree ended, with what lies beside it.
  while (to !== size1) {
    const middle = from + largestPowerOfTwoBelow(to - from)
    if (size1 <= middle) {
      proof.push(rootOf(leafHashes, middle, to))
      to = middle
    } else {
      proof.push(rootOf(leafHashes, from, middle))
      from = middle
    }
  }
  // At the left edge it is the old root itself, which the verifier has.
  if (from > 0) proof.push(rootOf(leafHashes, from, to))
  return proof.toReversed()
}

function largestPowerOfTwoBelow(size: number): number {
  let power = 1
  while (power * 2 < size) power *= 2
  return power
}

/**
 * Checks that a leaf is in a tree, by the algorithm of RFC 9162, section 2.1.3.2 (its trees are those of RFC 6962).
 *
 * @param leaf hash of the leaf, 32 bytes
 * @param index of the leaf, from 0
 * @param size of the tree
 * @param root of the tree, 32 bytes
 * @throws AuditError `AUDIT_PROOF_MALFORMED` for arguments that no tree can have, `AUDIT_PROOF_REFUTED` when the proof does
 *   not lead to the root
 */
export function verifyInclusion(
  leaf: Uint8Array,
  index: TreeSize,
  size: TreeSize,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): void {
  let hash = checkedHash('the leaf hash', leaf)
  checkedHash('the root', root)
  let at = checkedSize('index', index)
  let last = checkedSize('size', size) - 1n
  if (at > last) throw malformed(`index ${at} is not in a tree of ${size} leaves`)
  for (const sibling of checkedProof(proof)) {
    if (last === 0n) throw refuted('the proof is longer than the tree is high')
    if (isOdd(at) || at === last) {
      hash = nodeHash(sibling, hash)
      while (!isOdd(at) && at !== 0n) [at, last] = [at >> 1n, last >> 1n]
    } else {
      hash = nodeHash(hash, sibling)
    }
    at >>= 1n
    last >>= 1n
  }
  if (last !== 0n) throw refuted('the proof is shorter than the tree is high')
  if (!sameBytes(hash, root)) throw refuted('the proof does not lead from the leaf to the root')
}

/**
 * Checks that a tree has grown from an older one, by the algorithm of RFC 9162, section 2.1.4.2.
 *
 * Every tree has grown from the empty one, which has but one root: SHA-256 of nothing.
 *
 * @param root1 of the tree when it had `size1` leaves, 32 bytes
 * @param root2 of the tree when it had `size2` leaves, 32 bytes
 * @throws AuditError `AUDIT_PROOF_MALFORMED` for arguments that no trees can have, `AUDIT_PROOF_REFUTED` when the proof does
 *   not connect the two roots
 */
export function verifyConsistency(
  size1: TreeSize,
  size2: TreeSize,
  proof: readonly Uint8Array[],
  root1: Uint8Array,
  root2: Uint8Array,
): void {
  const older = checkedSize('size1', size1)
  const newer = checkedSize('size2', size2)
  checkedHash('root1', root1)
  checkedHash('root2', root2)
  const hashes = checkedProof(proof)
  if (older > newer) throw malformed(`a tree of ${newer} leaves cannot have grown from one of ${older}`)
  if (older === 0n && !sameBytes(root1, EMPTY_ROOT)) throw refuted('root1 is not that of the empty tree')
  if (older === 0n || older === newer) {
    if (hashes.length > 0) throw refuted('the proof is longer than it can be')
    if (older === newer && !sameBytes(root1, root2)) throw refuted('one size, and two roots')
    return
  }
  // An old tree that is a full subtree of the new one: its root is where the path begins, and it is not in the proof.
  const path = (older & (older - 1n)) === 0n ? [root1, ...hashes] : hashes
  let at = older - 1n
  let last = newer - 1n
  while (isOdd(at)) [at, last] = [at >> 1n, last >> 1n]
  const [first, ...rest] = path
  if (first === undefined) throw refuted('the proof is shorter than it can be')
  let hash1 = first
  let hash2 = first
  for (const sibling of rest) {
    if (last === 0n) throw refuted('the proof is longer than the tree is high')
    if (isOdd(at) || at === last) {
      hash1 = nodeHash(sibling, hash1)
      hash2 = nodeHash(sibling, hash2)
      while (!isOdd(at) && at !== 0n) [at, last] = [at >> 1n, last >> 1n]
    } else {
      hash2 = nodeHash(hash2, sibling)
    }
    at >>= 1n
    last >>= 1n
  }
  if (last !== 0n) throw refuted('the proof is shorter than the tree is high')
  if (!sameBytes(hash1, root1)) throw refuted('the proof does not lead to root1')
  if (!sameBytes(hash2, root2)) throw refuted('the proof does not lead to root2')
}

function isOdd(value: bigint): boolean {
  return (value & 1n) === 1n
}

function checkedHash(what: string, hash: Uint8Array | undefined): Uint8Array {
  if (isHash(hash)) return hash
  throw malformed(`${what} must be a Uint8Array of ${HASH_BYTES} bytes`)
}

function checkedProof(proof: readonly Uint8Array[]): readonly Uint8Array[] {
  if (!Array.isArray(proof)) throw malformed('the proof must be an array')
  for (const hash of proof) checkedHash('a hash of the proof', hash)
  return proof
}

function checkedSize(what: string, size: TreeSize): bigint {
  const isCount = typeof size === 'bigint' ? size >= 0n : Number.isSafeInteger(size) && size >= 0
  if (!isCount) throw malformed(`${what} must be a non-negative bigint or safe integer, got ${String(size)}`)
  return BigInt(size)
}

function malformed(message: string): AuditError {
  return new AuditError('AUDIT_PROOF_MALFORMED', message)
}

function refuted(message: string): AuditError {
  return new AuditError('AUDIT_PROOF_REFUTED', message)
}
