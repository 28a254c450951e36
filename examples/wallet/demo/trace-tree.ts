import { auditIdOf } from './evidence.js'
import { attributeOf, type OtlpSpan } from './otlp-receiver.js'
import type { Palette } from './palette.js'

const KINDS = ['', 'internal', 'server', 'client', 'producer', 'consumer']
const SHOWN = [
  'outcome',
  'credential',
  'worker_id',
  'server_region',
  'broker_region',
  'kek_version',
  'execution_id',
]

/** The spans of one trace as an indented tree, each audit span with its event. */
export function traceTree(spans: readonly OtlpSpan[], palette: Palette): string[] {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const roots = spans.filter(({ parentSpanId }) => !parentSpanId || !known.has(parentSpanId))
  return roots.flatMap((root) => branch(root, spans, '', '', palette))
}

function branch(
  span: OtlpSpan,
  spans: readonly OtlpSpan[],
  head: string,
  indent: string,
  palette: Palette,
): string[] {
  const children = spans
    .filter(({ parentSpanId }) => parentSpanId === span.spanId)
    .sort((a, b) => Number(BigInt(a.startTimeUnixNano) - BigInt(b.startTimeUnixNano)))
  const bar = children.length > 0 ? '│ ' : '  '
  const lines = [head + label(span, palette)]
  for (const event of span.events) {
    const shown = SHOWN.flatMap((name) => {
      const value = attributeOf(event.attributes, `secret_audit.${name}`)
      return value === undefined ? [] : [`${name}=${value}`]
    })
    lines.push(`${indent}${bar}${palette.strong(`◆ ${event.name}`)}  ${shown.join('  ')}`)
  }
  children.forEach((child, i) => {
    const last = i === children.length - 1
    lines.push(
      ...branch(
        child,
        spans,
        `${indent}${last ? '└─ ' : '├─ '}`,
        `${indent}${last ? '   ' : '│  '}`,
        palette,
      ),
    )
  })
  return lines
}

function label(span: OtlpSpan, palette: Palette): string {
  const service = attributeOf(span.resource, 'service.name') ?? ''
  const took = Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6
  const path = attributeOf(span.attributes, 'http.target') ?? attributeOf(span.attributes, 'url.path')
  const name = path === undefined ? span.name : `${span.name} ${path.replace(/\?.*/s, '')}`
  const painted = auditIdOf(span) === undefined ? name : palette.good(name)
  return `${painted}  ${palette.faint(`${service}  ${KINDS[span.kind] ?? ''}  ${took.toFixed(1)} ms`)}`
}
