import { AsyncLocalStorage } from 'node:async_hooks'
import { createAudit, NoopAuditSink } from 'otel-audit'
import { SecretInstrumentation } from 'otel-audit/instrumentation'
import { INSTRUMENT_DEFAULTS } from '../../src/instrument/settings.js'
import { mayBeAccess, recognise } from '../../src/instrument/wire/recognise.js'
import type { WireRequest } from '../../src/instrument/wire/target.js'
import { type Case, startCases } from './cases.js'
import type { InstrumentBenchOptions } from './options.js'

/** Processor time of all threads of this process, in µs a call: one number a round. */
export interface CaseResult {
  readonly name: string
  readonly isAccess: boolean
  readonly bare: readonly number[]
  readonly hooked: readonly number[]
  /** Rows of both sides, for each call of the hooked one: the bare one has none. */
  readonly rowsPerCall: number
}

export interface InstrumentBench {
  readonly cases: readonly CaseResult[]
  /** µs each, by what is looked at. One number a round. */
  readonly recognise: readonly { readonly name: string; readonly us: readonly number[] }[]
}

const REQUESTS: readonly (readonly [string, string])[] = [
  ['path that cannot be one', '/orders/7?expand=items'],
  ['path that may be one, and is none', '/v1/orders/7'],
  ['escaped path that is none', '/files/a%20b/c'],
]
const LOOKS = 200_000

/** Bare and hooked take turns, and turns at being first, within one AsyncLocalStorage: applications with tracing have one in use. */
export async function runInstrumentBench(
  { rounds, calls }: InstrumentBenchOptions,
  progress: (what: string) => void,
): Promise<InstrumentBench> {
  const audit = createAudit({ sink: new NoopAuditSink(), instrument: 'on', strict: false })
  const wire = new SecretInstrumentation({ audit })
  wire.disable()
  const { cases, forget, close } = await startCases((client) => audit.instrument(client))
  const settle = async (): Promise<void> => {
    await audit.flush()
    forget()
  }
  try {
    const results: CaseResult[] = []
    for (const one of cases) {
      progress(one.name)
      results.push(await new AsyncLocalStorage().run({}, () => measured(one)))
    }
    return { cases: results, recognise: REQUESTS.map(([name, path]) => ({ name, us: looked(path, rounds) })) }
  } finally {
    wire.disable()
    await close()
    await audit.close()
  }

  async function measured({ name, isAccess, ...sides }: Case): Promise<CaseResult> {
    const bare: number[] = []
    const hooked: number[] = []
    let rows = 0
    // The first round of each side is not counted: it compiles.
    for (let round = 0; round <= rounds; round++) {
      const before = audit.stats().emitted
      // Neither side always has what the other one has left to be collected.
      for (const isHooked of round % 2 === 0 ? [false, true] : [true, false]) {
        if (isHooked) wire.enable()
        const us = await perCall(isHooked ? sides.hooked : sides.bare)
        wire.disable()
        if (round > 0) (isHooked ? hooked : bare).push(us)
      }
      if (round > 0) rows += audit.stats().emitted - before
    }
    return { name, isAccess, bare, hooked, rowsPerCall: rows / (rounds * calls) }
  }

  /** With what is done behind the call: the batches of its rows. */
  async function perCall(call: () => Promise<unknown>): Promise<number> {
    const before = process.cpuUsage()
    for (let i = 0; i < calls; i++) await call()
    await settle()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / calls
  }
}

/** As the wire looks at a request: first whether it may be an access at all. */
function looked(path: string, rounds: number): number[] {
  const header = (name: string): string | undefined => (name === 'host' ? 'orders.internal' : undefined)
  const request: WireRequest = { method: 'GET', host: 'orders.internal', path, header }
  const us: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const before = process.cpuUsage()
    for (let i = 0; i < LOOKS; i++) {
      if (mayBeAccess(request.method, request.path, () => false)) recognise(request, INSTRUMENT_DEFAULTS)
    }
    const { user, system } = process.cpuUsage(before)
    if (round > 0) us.push((user + system) / LOOKS)
  }
  return us
}
