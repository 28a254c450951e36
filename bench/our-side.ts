import type { Audit } from 'otel-audit'
import { access } from './access.js'
import type { Side } from './closed-loop.js'
import { RowCheck } from './missing-rows.js'

/** The whole path of this library: span, span event, metric, and a committed row. */
export class OurSide implements Side {
  readonly #audit: Audit
  readonly #check: RowCheck

  private constructor(audit: Audit, check: RowCheck) {
    this.#audit = audit
    this.#check = check
  }

  /** @param databaseUrl with a login that may read the trail */
  static async open(audit: Audit, databaseUrl: string): Promise<OurSide> {
    const report = await audit.start()
    if (!report.ok) throw new Error(report.findings.map(({ message }) => message).join('; '))
    return new OurSide(audit, await RowCheck.connect(databaseUrl))
  }

  async record(n: number): Promise<bigint> {
    return (await this.#audit.service.recordStrict(access(n).fields)).auditId
  }

  missing(acknowledged: readonly bigint[]): Promise<number> {
    return this.#check.missing(acknowledged)
  }

  async close(): Promise<void> {
    await this.#audit.close()
    await this.#check.close()
  }
}
