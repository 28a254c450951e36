import { context, diag, type DiagLogger, DiagLogLevel, metrics, propagation, trace } from '@opentelemetry/api'
import { node } from '@opentelemetry/sdk-node'
import {
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { inspect } from 'node:util'
import { onTestFinished } from 'vitest'

/** The real SDK, registered until the test ends, with an exporter in memory behind the given processors. */
export function traced(processors: readonly SpanProcessor[] = [], sampler?: Sampler) {
  const exporter = new InMemorySpanExporter()
  const provider = new node.NodeTracerProvider({
    spanProcessors: [...processors, new SimpleSpanProcessor(exporter)],
    ...(sampler && { sampler }),
  })
  provider.register()
  onTestFinished(async () => {
    forgetTelemetry()
    await provider.shutdown().catch(() => undefined)
  })
  return {
    provider,
    /** Spans that have ended. */
    spans: (): ReadableSpan[] => exporter.getFinishedSpans(),
  }
}

/** Takes every global of the OpenTelemetry API off again. */
export function forgetTelemetry(): void {
  trace.disable()
  context.disable()
  propagation.disable()
  metrics.disable()
}

/** Everything that is said on the diagnostics logger until the test ends, objects written out in full. */
export function listening(): string[] {
  const said: string[] = []
  const say =
    (level: string) =>
    (...words: unknown[]): void => {
      const text = words.map((word) => (typeof word === 'string' ? word : inspect(word, { depth: 20 })))
      // The API's own words about globals that come and go are not ours.
      if (!text[0]?.startsWith('@opentelemetry/api')) said.push(`${level}: ${text.join(' ')}`)
    }
  logTo(
    {
      error: say('error'),
      warn: say('warn'),
      info: say('info'),
      debug: say('debug'),
      verbose: say('verbose'),
    },
    DiagLogLevel.ALL,
  )
  return said
}

/** A diagnostics logger of the user's that throws at everything from a warning up, until the test ends. */
export function brokenLogger(): void {
  // The API itself calls `debug` when a global comes, unguarded.
  logTo({ error: thrower, warn: thrower, info: thrower, debug: thrower, verbose: thrower }, DiagLogLevel.WARN)
}

function logTo(logger: DiagLogger, logLevel: DiagLogLevel): void {
  diag.setLogger(logger, { logLevel, suppressOverrideMessage: true })
  onTestFinished(() => diag.disable())
}

/** A logger, tracer or meter of the user's that is broken. */
export function thrower(): never {
  throw new Error('this part of the application is broken')
}
