import { afterEach, describe, expect, test, vi } from 'vitest'
import { refuseStart } from '../../src/audit/refuse-start.js'
import { SecondSdk } from '../../src/audit/second-sdk.js'
import { AuditError } from '../../src/errors.js'
import { useLogger } from '../../src/host/diagnostics.js'

// From the outside: test/docs/troubleshooting.test.ts, with real flags and SDKs.

const PRELOAD = '@opentelemetry/auto-instrumentations-node/register'
const DUPLICATE =
  'Error: @opentelemetry/api: Attempted duplicate registration of API: trace\n    at somewhere'

/** What is said of a second SDK, and what its logger let through. */
function started(during: readonly string[], after: readonly string[] = []) {
  const said: string[] = []
  const passed: string[] = []
  const note = (message: string): void => void passed.push(message)
  useLogger({ error: () => {}, warn: (message) => void said.push(message) })
  const second = new SecondSdk()
  const logger = second.filtered({ error: note, warn: note, info: note, debug: note, verbose: note })
  second.sayWhatIsKnown()
  second.start({ start: () => during.forEach((message) => logger.error(message)) })
  for (const message of after) logger.error(message)
  for (const level of ['warn', 'info', 'debug', 'verbose'] as const) logger[level](level)
  return { said, passed }
}

afterEach(() => {
  useLogger(undefined)
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

describe('a second SDK', () => {
  test.each([['--import', PRELOAD], [`--require=${PRELOAD}`], ['-r', PRELOAD]])(
    'by the flag %s %s is one line, which names it',
    (...flags) => {
      vi.stubEnv('NODE_OPTIONS', flags.join(' '))
      const { said } = started([DUPLICATE, DUPLICATE])
      expect(said).toEqual([expect.stringContaining(`Remove the flag for ${PRELOAD}`)])
    },
  )

  test('that nothing is known of is one line, too, when the API tells of it', () => {
    const { said, passed } = started([DUPLICATE, 'Error: another'], [DUPLICATE])
    expect(said).toEqual([expect.stringContaining('OpenTelemetry was started before otel-audit/register')])
    // What else is said, and what is said later, stays as it is.
    expect(passed).toEqual(['Error: another', DUPLICATE, 'warn', 'info', 'debug', 'verbose'])
  })

  test('that is not there is not spoken of', () => {
    vi.stubEnv('NODE_OPTIONS', '--import otel-audit/register --max-old-space-size=100')
    expect(started([]).said).toEqual([])
  })

  test('whose start throws leaves the logger as it was', () => {
    const second = new SecondSdk()
    const error = new Error('no')
    const start = (): void => {
      throw error
    }
    expect(() => second.start({ start })).toThrow(error)
    const passed = vi.fn<(message: string) => void>()
    const logger = second.filtered({
      error: passed,
      warn: passed,
      info: passed,
      debug: passed,
      verbose: passed,
    })
    logger.error(DUPLICATE)
    expect(passed).toHaveBeenCalledWith(DUPLICATE)
  })
})

describe('a start that is refused', () => {
  test('ends the process by message and remedy, on lines of their own', () => {
    const written: string[] = []
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0)
    vi.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`exit ${code}`)
    })
    const error = new AuditError('AUDIT_MIGRATION', 'a\u001b[2J', { remedy: 'Run:\n  x;' })
    expect(() => refuseStart(error)).toThrow('exit 1')
    expect(written.join('')).toBe('AUDIT_MIGRATION: a\\u001b[2J\nRun:\n  x;\n')
  })

  test('by an error that is not ours is thrown as it is', () => {
    const error = new TypeError('not ours')
    expect(() => refuseStart(error)).toThrow(error)
  })
})
