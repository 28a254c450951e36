import type { OptionSpec } from './option-spec.js'

/** Every option of `otel-audit archive` and `retire` beside those of recording. */
export const RETENTION_OPTIONS = Object.freeze({
  retentionKeyFile: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_RETENTION_KEY_FILE'],
    default: undefined,
    doc: 'File with the retention key, PKCS#8 in PEM (`otel-audit keys create --retention`). It signs archives, and what was retired; no service needs it.',
  },
  retention: {
    kind: 'text',
    variables: ['NOETL_SECRET_AUDIT_RETENTION'],
    default: undefined,
    doc: 'How long rows are kept at least (`365d`, `52w`): `otel-audit retire` refuses what is younger. Default: no bound.',
  },
} satisfies Record<string, OptionSpec>)

/** What is left out comes from the environment, then from the defaults of {@link RETENTION_OPTIONS}. */
export interface RetentionOptionsGiven {
  readonly retentionKeyFile?: string | undefined
  readonly retention?: string | undefined
}

export type RetentionSettings = Readonly<RetentionOptionsGiven>
