import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import type { SpanExporter } from '@opentelemetry/sdk-trace-base'
import { exporterWithOwnSerializer } from '../src/otel/sdk/own-serializer.js'
import { sdkPackages } from '../src/otel/sdk/packages.js'

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

  /** The OTLP exporter, with its spans counted. @param serializer who makes bytes of them, as the option has it */
  exporter(serializer: 'stock' | 'own'): SpanExporter {
    const otlp = serializer === 'own' ? this.#own() : new OTLPTraceExporter({ url: this.#url })
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

  /** As the option `otlpSerializer` makes it from the environment. */
  #own(): OTLPTraceExporter {
    process.env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = this.#url
    const exporter = exporterWithOwnSerializer(sdkPackages())
    if (exporter instanceof OTLPTraceExporter) throw new Error('this SDK cannot have another serializer')
    return exporter as OTLPTraceExporter
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
