import { messageOf, type Rewrite, type WireMessage, type WireProxy } from './wire-proxy.js'

/** Random numbers that come again for the same seed (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** From 0 up to, but without, `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) % end
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

type Change = (message: WireMessage, random: Random) => readonly Buffer[] | undefined

const ready = (status: string): Buffer => messageOf('Z', status)
const tag = (text: string): Buffer => messageOf('C', `${text}\0`)
const notice = (fields: Readonly<Record<string, string>>): Buffer =>
  messageOf(
    'N',
    `${Object.entries(fields)
      .map(([k, v]) => `${k}${v}\0`)
      .join('')}\0`,
  )
const row = (...values: readonly string[]): Buffer => {
  const parts = values.map((value) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(Buffer.byteLength(value))
    return Buffer.concat([length, Buffer.from(value)])
  })
  const count = Buffer.alloc(2)
  count.writeInt16BE(values.length)
  return messageOf('D', Buffer.concat([count, ...parts]))
}
/** A shorter body, whose length says so; what is inside does not. */
const truncated = ({ type, bytes }: WireMessage, random: Random): Buffer =>
  messageOf(type, bytes.subarray(5, 5 + random.below(Math.max(1, bytes.length - 5))))
const TYPES = '12CDEGHIKNRSTWZcdnstv~\0'.split('')
const TAGS = [
  'SELECT 0',
  'SELECT 2',
  'INSERT 0 1',
  'SELECT',
  'SELECT 1 ',
  'select 1',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  '',
]
const VALUES = ['', 'NaN', '-1', '1e99', 'infinity', '0x10', '1 ', '99999999999999999999']

/** What may become of one message of the server. None of them makes a whole answer that is right. */
const CHANGES: Readonly<Record<string, Change>> = {
  drop: () => [],
  duplicate: ({ bytes }) => [bytes, bytes],
  truncate: (message, random) => [truncated(message, random)],
  'cut short': ({ bytes }, random) => [bytes.subarray(0, random.below(bytes.length))],
  'end here': () => undefined,
  'another type': ({ bytes }, random) => [Buffer.concat([Buffer.from(random.of(TYPES)), bytes.subarray(1)])],
  'a flipped bit of the frame': ({ bytes }, random) => {
    const changed = Buffer.from(bytes)
    const at = random.below(5)
    changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8))
    return [changed]
  },
  'ready in a transaction': ({ type, bytes }) => [type === 'Z' ? ready('T') : bytes],
  'ready in a failed transaction': ({ type, bytes }) => [type === 'Z' ? ready('E') : bytes],
  'ready in no state': ({ type, bytes }, random) => [
    type === 'Z' ? ready(random.of(['', 'X', 'i', '\0', 'II'])) : bytes,
  ],
  'ready too early': ({ bytes }) => [ready('I'), bytes],
  'complete too early': ({ bytes }) => [tag('SELECT 1'), bytes],
  'another tag': ({ type, bytes }, random) => [type === 'C' ? tag(random.of(TAGS)) : bytes],
  'a row more': ({ type, bytes }) => (type === 'C' ? [row('1700000000000000'), bytes] : [bytes]),
  'another value': ({ type, bytes }, random) => [type === 'D' ? row(random.of(VALUES)) : bytes],
  'a column more': ({ type, bytes }) => [type === 'D' ? row('1700000000000000', '1') : bytes],
  'no column': ({ type, bytes }) => [type === 'D' ? row() : bytes],
  'many warnings': ({ bytes }) => [
    ...Array.from({ length: 200 }, () => notice({ S: 'WARNING', V: 'WARNING', C: '01000', M: 'a flood' })),
    bytes,
  ],
  'a warning that is not whole': ({ bytes }) => [messageOf('N', 'SWARNING'), bytes],
  'an error, and on': ({ bytes }) => [messageOf('E', 'SERROR\0VERROR\0C23505\0Mnot so\0\0'), bytes],
  'a fatal error, and on': ({ bytes }) => [messageOf('E', 'SFATAL\0VFATAL\0C57P01\0Mnot so\0\0'), bytes],
  'an error without a code': ({ bytes }) => [messageOf('E', 'SERROR\0Mnot so\0\0'), bytes],
  'an empty query': ({ type, bytes }) => [type === 'C' ? messageOf('I', '') : bytes],
  'a suspended portal': ({ type, bytes }) => [type === 'C' ? messageOf('s', '') : bytes],
  'no data': ({ type, bytes }) => [type === 'T' || type === 'D' ? messageOf('n', '') : bytes],
  copy: ({ type, bytes }) => [type === 'T' || type === 'D' ? messageOf('H', Buffer.from([0, 0, 0])) : bytes],
  'a description that nobody asked for': ({ type, bytes }) =>
    type === 'D' ? [messageOf('T', '\0\0'), bytes] : [bytes],
}

/** What may become of one message of the client. */
const REQUESTS: Readonly<Record<string, Change>> = {
  'a request less': () => [],
  'a request twice': ({ bytes }) => [bytes, bytes],
  'a transaction begun before': ({ bytes }) => [messageOf('Q', 'begin\0'), bytes],
  'the end of the requests': () => undefined,
}

/** One thing that goes wrong, at one message. */
export interface Mutation {
  readonly side: 'answer' | 'request'
  readonly name: string
  /** At which message, from when it is armed. */
  readonly at: number
}

export function anyMutation(random: Random): Mutation {
  const kind = random.below(12)
  if (kind === 0) return { side: 'request', name: random.of(Object.keys(REQUESTS)), at: random.below(8) }
  if (kind === 1) return { side: 'answer', name: 'swap', at: random.below(8) }
  if (kind === 2) return { side: 'answer', name: 'stall', at: random.below(8) }
  return { side: 'answer', name: random.of(Object.keys(CHANGES)), at: random.below(8) }
}

/** Lets it happen in the messages that come from now on. */
export function arm(proxy: WireProxy, { side, name, at }: Mutation, random: Random): void {
  let seen = -1
  let held: Buffer | undefined
  const rewrite: Rewrite = (message) => {
    seen++
    if (held !== undefined) {
      const before = held
      held = undefined
      return [message.bytes, before]
    }
    if (name === 'stall') return seen >= at ? [] : [message.bytes]
    if (seen !== at) return [message.bytes]
    if (name === 'swap') {
      held = message.bytes
      return []
    }
    const change = (side === 'answer' ? CHANGES : REQUESTS)[name]
    if (change === undefined) throw new Error(`no mutation ${name}`)
    return change(message, random)
  }
  proxy[side] = rewrite
}
