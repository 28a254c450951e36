import { randomBytes } from 'node:crypto'
import { Command } from './command.js'
import type { DemoDatabase } from './database.js'

/** `otel-audit serve` in a process of its own, with its console. */
export class AuditServer {
  /** What a reader has to present. */
  readonly token: string
  readonly #command: Command

  private constructor(command: Command, token: string) {
    this.token = token
    this.#command = command
  }

  static async start(
    { writerUrl, readerUrl }: DemoDatabase,
    traceUrl: string | undefined,
    log: (line: string) => void,
  ): Promise<AuditServer> {
    const token = randomBytes(24).toString('base64url')
    const env = {
      DATABASE_URL: writerUrl,
      NOETL_SECRET_AUDIT_READER_URL: readerUrl,
      NOETL_INTERNAL_API_TOKEN: token,
      ...(traceUrl !== undefined && { NOETL_SECRET_AUDIT_TRACE_URL: traceUrl }),
    }
    return new AuditServer(await Command.start('serve', env, log), token)
  }

  get url(): string {
    return this.#command.url
  }

  /** Idempotent. */
  stop(): Promise<void> {
    return this.#command.stop()
  }
}
