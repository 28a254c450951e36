import { parseArgs } from 'node:util'

export interface DemoOptions {
  readonly once: boolean
  readonly strict: boolean
  readonly json: boolean
  readonly help: boolean
  readonly databaseUrl: string | undefined
  readonly forwardTo: string | undefined
  /** Where the console leads for a trace, with `{trace_id}` in it. */
  readonly traceUrl: string | undefined
}

export const HELP = `Runs the example wallet in two regions, sends traffic, and shows the audit trail it leaves.

  npm run demo -- [--once] [--strict] [--json]

  --once     end after the report; otherwise light traffic goes on until Ctrl-C
  --strict   no secret is released before its audit row is committed
  --json     one JSON document on standard output instead of the report; implies --once
  --help     this text

  DATABASE_URL       use this Postgres, as a user who may create roles, instead of an embedded one. The demo creates
                     the schema noetl, and its rows stay there: rows of the trail cannot be removed.
  DEMO_OTLP_FORWARD  the base URL of an OTLP/HTTP receiver which is to get all spans as well
  DEMO_TRACE_URL     where the console leads for a trace, such as http://localhost:16686/trace/{trace_id}
  NO_COLOR           no colours`

/** Throws `TypeError` with a text for the user. */
export function demoOptions(args: readonly string[], env: NodeJS.ProcessEnv): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      once: { type: 'boolean', default: false },
      strict: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const forwardTo = env.DEMO_OTLP_FORWARD || undefined
  if (forwardTo !== undefined && !URL.canParse(forwardTo))
    throw new TypeError('DEMO_OTLP_FORWARD must be a URL')
  return {
    ...values,
    once: values.once || values.json,
    databaseUrl: env.DATABASE_URL || undefined,
    forwardTo,
    traceUrl: env.DEMO_TRACE_URL || undefined,
  }
}
