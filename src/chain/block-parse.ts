import { AuditError } from '../errors.js'
import { INT8_MAX } from '../event/int8.js'
import { jsonString as jsonText, parseJsonString } from '../host/json-text.js'
import { isStorable } from '../event/text.js'
import {
  type Block,
  BLOCK_FORMAT,
  type BlockIds,
  type BlockKind,
  blockText,
  chainKeyName,
  type ChainOpening,
  type ChainPosition,
  isSystemId,
  isTrailId,
  NO_PREVIOUS,
} from './block.js'
import { fromBase64, HASH_BYTES, sameBytes } from './hash.js'
import { EMPTY_ROOT } from './merkle.js'
import { isKeyName, VerifierKey } from './note-key.js'

const KINDS: readonly string[] = ['genesis', 'data', 'idle', 'rotate', 'close'] satisfies BlockKind[]

/**
 * Reads the text of a block. Whatever it accepts is written back as the very same text.
 *
 * @throws AuditError `AUDIT_BLOCK_MALFORMED`, naming the line
 */
export function parseBlock(text: string): Block {
  const lines = new Lines(text)
  lines.expect(BLOCK_FORMAT)
  const log = lines.take('log')
  const chain = chainId('chain', lines.take('chain'))
  const number = count('block', lines.take('block'))
  const kind = blockKind(lines.take('kind'))
  const prev = hash('prev', lines.take('prev'))
  const ids = blockIds(lines.take('ids'))
  const [rows, rowsTotal] = pair('rows', lines.take('rows'))
  const head = {
    log,
    chain,
    number,
    kind,
    prev,
    ids,
    rows: count('rows', rows),
    rowsTotal: count('rows', rowsTotal),
    lost: count('lost', lines.take('lost')),
    root: hash('root', lines.take('root')),
    time: count('time', lines.take('time')),
  }
  const hasKey = kind === 'genesis' || kind === 'rotate'
  const writer = hasKey ? lines.take('writer') : undefined
  const block = { ...head, writer, opening: kind === 'genesis' ? opening(lines) : undefined }
  lines.end()
  check(block)
  if (blockText(block) !== text) throw malformed('it is not in canonical form')
  return block
}

/** What every block must be by itself, whatever is before and after it. */
function check(block: Block): void {
  const { log, chain, number, kind, prev, ids, rows, rowsTotal, root, writer } = block
  if (!isKeyName(log)) throw malformed('log: not the name of a log')
  if ((kind === 'genesis') !== (number === 0)) throw malformed('kind: genesis is block 0, and no other')
  if (kind === 'genesis' && !sameBytes(prev, NO_PREVIOUS)) throw malformed('prev: nothing is before genesis')
  if ((kind === 'data') !== rows > 0) throw malformed('rows: data blocks have rows, and no others')
  if ((ids === undefined) !== (rows === 0)) throw malformed('ids: rows have ids')
  if (ids !== undefined && (rows === 1 ? ids.first !== ids.last : ids.first >= ids.last)) {
    throw malformed('ids: not the smallest and the largest of so many rows')
  }
  if (rowsTotal < rows || (kind === 'genesis' && rowsTotal > 0)) throw malformed('rows: they do not add up')
  if (rows === 0 && !sameBytes(root, EMPTY_ROOT)) throw malformed('root: not that of no rows')
  if (writer !== undefined && verifierKey(writer).name !== chainKeyName(log, chain)) {
    throw malformed('writer: not a key of this chain')
  }
}

/** The verifier key on the `writer` line. */
function verifierKey(text: string): VerifierKey {
  try {
    return VerifierKey.parse(text)
  } catch (cause) {
    throw new AuditError('AUDIT_BLOCK_MALFORMED', 'writer: not a verifier key', { cause })
  }
}

/** Takes a text line by line: `<name> <value>`. */
class Lines {
  readonly #lines: string[]
  #next = 0

  constructor(text: string) {
    this.#lines = text.split('\n')
    if (this.#lines.pop() !== '') throw malformed('the last line does not end')
  }

  expect(line: string): void {
    if (this.#lines[this.#next++] !== line)
      throw malformed(`not a block: line ${this.#next} is not "${line}"`)
  }

  take(name: string): string {
    const value = this.takeIf(name)
    if (value === undefined) throw malformed(`line ${this.#next + 1} must begin with "${name} "`)
    return value
  }

  takeIf(name: string): string | undefined {
    const line = this.#lines[this.#next]
    if (line?.startsWith(`${name} `) !== true) return undefined
    this.#next++
    return line.slice(name.length + 1)
  }

  end(): void {
    if (this.#next !== this.#lines.length) throw malformed(`line ${this.#next + 1} is one too many`)
  }
}

function opening(lines: Lines): ChainOpening {
  const service = jsonString('service', lines.take('service'))
  const instance = jsonString('instance', lines.take('instance'))
  const version = lines.take('version')
  if (!/^[!-~]{1,64}$/.test(version)) throw malformed('version: not the version of a product')
  const trail = lines.take('trail')
  if (!isTrailId(trail)) throw malformed('trail: not 32 hex digits')
  const system = lines.take('system')
  if (system !== '-' && !isSystemId(system)) throw malformed('system: not the identifier of a server')
  const continues = lines.takeIf('continues')
  return {
    service,
    instance,
    version,
    trail,
    system: system === '-' ? undefined : system,
    continues: continues === undefined ? undefined : chainPosition(continues),
  }
}

function chainPosition(text: string): ChainPosition {
  const [chain, block] = pair('continues', text)
  return { chain: chainId('continues', chain), block: count('continues', block) }
}

function blockKind(text: string): BlockKind {
  if (!KINDS.includes(text)) throw malformed('kind: unknown')
  return text as BlockKind
}

function blockIds(text: string): BlockIds | undefined {
  if (text === '- -') return undefined
  const [first, last] = pair('ids', text)
  return { first: auditId(first), last: auditId(last) }
}

function auditId(text: string): bigint {
  const id = /^\d{1,19}$/.test(text) ? BigInt(text) : undefined
  if (id === undefined || id > INT8_MAX) throw malformed('ids: not a number of 63 bits')
  return id
}

function count(line: string, text: string): number {
  const value = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(value)) throw malformed(`${line}: not a number below 2^53 in canonical form`)
  return value
}

function pair(line: string, text: string): [string, string] {
  const [first, second, ...rest] = text.split(' ')
  if (first === undefined || second === undefined || rest.length > 0)
    throw malformed(`${line}: not two values`)
  return [first, second]
}

function hash(line: string, text: string): Uint8Array {
  const bytes = fromBase64(text)
  if (bytes?.length !== HASH_BYTES) throw malformed(`${line}: not 32 bytes in base64`)
  return bytes
}

function chainId(line: string, text: string): string {
  if (!/^[0-9a-f]{32}$/.test(text)) throw malformed(`${line}: not 32 hex digits`)
  return text
}

function jsonString(line: string, text: string): string {
  try {
    const value = parseJsonString(text)
    if (isStorable(value, Number.POSITIVE_INFINITY) && jsonText(value) === text) return value
  } catch {
    throw malformed(`${line}: not a JSON string`)
  }
  throw malformed(
    `${line}: not a JSON string as it must be written, without control characters and lone surrogates`,
  )
}

function malformed(message: string): AuditError {
  return new AuditError('AUDIT_BLOCK_MALFORMED', message)
}
