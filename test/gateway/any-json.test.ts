import { randomInt } from 'node:crypto'
import { expect, it } from 'vitest'
import { SeededRandom } from '../../soak/random.js'
import { incomingOf, isIncoming } from '../../src/gateway/incoming.js'
import { Malformed } from '../../src/gateway/otlp/found-event.js'
import { readJsonResource } from '../../src/gateway/otlp/json.js'
import { JsonSlicer } from '../../src/gateway/otlp/slices.js'
import { ACCESS, auditSpan, logsOf, nowNanos, text, tracesOf } from '../support/gateway/requests.js'

/** What somebody may put in the place of anything. */
const HOSTILE: readonly [unknown, ...unknown[]] = [
  null,
  true,
  -1,
  1e308,
  0.1,
  '',
  '\u0000',
  '\ud800',
  '9'.repeat(400),
  'NaN',
  [],
  {},
  [null],
  { valueOf: 1, toString: 1 },
  { length: 3, 0: 'x' },
  { toJSON: 1, hasOwnProperty: 1 },
  { stringValue: 5, intValue: [], boolValue: 'x', doubleValue: {} },
]
const KEYS: readonly [string, ...string[]] = [
  '__proto__',
  'constructor',
  'toString',
  'events',
  'attributes',
  'key',
  'value',
  'name',
  'timeUnixNano',
]
const MORE = {
  actor_type: 'user',
  execution_id: '1',
  occurred_at: `${nowNanos() / 1000n}`,
  attributes: '{"a":1}',
  notes: 'n',
  service_name: 's',
}

type Tree = Record<string, unknown> | unknown[]

/** All lists and objects of it. */
function inside(of: unknown): Tree[] {
  if (typeof of !== 'object' || of === null) return []
  return [of as Tree, ...Object.values(of).flatMap(inside)]
}

function mutated(request: object, random: SeededRandom): object {
  const copy = structuredClone(request)
  for (let n = random.between(1, 3); n > 0; n--) {
    const [first, ...others] = inside(copy)
    const tree = random.pick<Tree>([first ?? [], ...others]) as Record<string, unknown>
    const hostile = random.pick(HOSTILE)
    const keys = Object.keys(tree)
    const key = keys.length > 0 && random.next() < 0.8 ? keys[random.between(0, keys.length - 1)] : undefined
    Object.defineProperty(tree, key ?? random.pick(KEYS), {
      value: structuredClone(hostile),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  return copy
}

it('becomes events, or is kept aside, or is not JSON, whatever it has in whatever place; nothing is thrown', () => {
  const seed = randomInt(2 ** 32)
  const random = new SeededRandom(seed)
  const more = Object.entries(MORE).map(([name, value]) => text(`secret_audit.${name}`, value))
  const attributes = [...ACCESS, ...more]
  const requests = [
    tracesOf([auditSpan({ attributes, events: 2 })]),
    logsOf([{ eventName: 'secret.access', timeUnixNano: '5', attributes }]),
  ]
  const sender = { name: 'x', mayNameService: () => true }
  const tally = { rows: 0, aside: 0, nothing: 0, malformed: 0 }
  for (let run = 0; run < 6000; run++) {
    const signal = run % 2 === 0 ? 'traces' : 'logs'
    const body = Buffer.from(JSON.stringify(mutated(requests[run % 2] ?? {}, random)))
    const bytes = random.next() < 0.1 ? body.subarray(0, random.between(0, body.length)) : body
    try {
      const slicer = new JsonSlicer(1 << 20)
      const found = slicer.push(bytes).flatMap((slice) => readJsonResource(slice, signal))
      slicer.end()
      if (found.length === 0) tally.nothing++
      for (const event of found) tally[isIncoming(incomingOf(event, sender, Date.now())) ? 'rows' : 'aside']++
    } catch (error) {
      if (!(error instanceof Malformed))
        throw new Error(`seed ${seed}: ${bytes.toString()}`, { cause: error })
      tally.malformed++
    }
  }
  expect(Math.min(...Object.values(tally)), JSON.stringify(tally)).toBeGreaterThan(50)
})
