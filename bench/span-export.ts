import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import type { SpanExporter } from '@opentelemetry/sdk-trace-base'

/** A receiver of traces in another process, so that decoding them takes nothing from the one that is measured. */
export class TraceReceiver {
  /** Spans that the receiver acknowledged. */
  exported = 0
  /** Spans whose export failed. */
  failed = 0
  readonly #process: ChildProcess
  readonly #url: string

  private constructor(process: ChildProcess, port: number) {
    this.#process = process
    this.#url = `http://127.0.0.1:${port}/v1/traces`
  }

  static async start(): Promise<TraceReceiver> {
    const process = fork(fileURLToPath(new URL('./trace-sink.js', import.meta.url)), { execArgv: [] })
    const [port] = (await Promise.race([
      once(process, 'message'),
      once(process, 'exit').then(() => Promise.reject(new Error('the trace receiver ended while starting'))),
    ])) as [number]
    return new TraceReceiver(process, port)
  }

  /** The OTLP exporter, with its spans counted. */
  exporter(): SpanExporter {
    const otlp = new OTLPTraceExporter({ url: this.#url })
    return {
      export: (spans, done) =>
        otlp.export(spans, (result) => {
          if (result.code === 0) this.exported += spans.length
          else this.failed += spans.length
          done(result)
        }),
      forceFlush: () => otlp.forceFlush(),
      shutdown: () => otlp.shutdown(),
    }
  }

  async close(): Promise<void> {
    const exit = once(this.#process, 'exit')
    this.#process.disconnect()
    await exit
  }
}

/** Accepts every span and forgets it. */
export function noopExporter(): SpanExporter {
  return { export: (_spans, done) => done({ code: 0 }), shutdown: () => Promise.resolve() }
}
