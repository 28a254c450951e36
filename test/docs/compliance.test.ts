import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { BUNDLE_FINDINGS } from '../../src/query/bundle/bundle-finding.js'
import { BUNDLE_FILES, MANIFEST, SIGNATURE } from '../../src/query/bundle/bundle-manifest.js'
import { ECS_MAPPING } from '../../src/query/export/ecs.js'
import { OCSF_MAPPING } from '../../src/query/export/ocsf.js'
import { COLUMNS } from '../../src/query/row.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { commandsIn, problemOf } from './commands.js'

const pageOf = (name: string): string => readFileSync(join(packageRoot(), 'docs', name), 'utf8')
const COMPLIANCE = pageOf('compliance.md')
const AUDITOR = pageOf('auditor.md')

test('a command that is wrong is found', () => {
  expect(problemOf('otel-audit query --credential x')).toBeUndefined()
  expect(problemOf(`otel-audit query --hours '!mo-fr 08:00-18:00' --from -7d`)).toBeUndefined()
  expect(problemOf('otel-audit qurey')).toContain('no command')
  expect(problemOf('otel-audit keys make')).toContain('no command')
  expect(problemOf('otel-audit query --credental x')).toContain('no --credental')
  expect(problemOf('otel-audit query x')).toContain('no x')
  expect(problemOf('otel-audit query --credential --from x')).toContain('no value')
})

describe.each([
  ['compliance.md', COMPLIANCE, 60],
  ['auditor.md', AUDITOR, 20],
  ['query.md', pageOf('query.md'), 15],
])('%s', (_, page, least) => {
  test('names commands and flags that there are', () => {
    const commands = commandsIn(page).filter((line) => !/ (DIR|FILE)\b/.test(line))
    expect(commands.length).toBeGreaterThan(least)
    const wrong = commands.flatMap((line) => {
      const problem = problemOf(line)
      return problem === undefined ? [] : [`${line}: ${problem}`]
    })
    expect(wrong).toEqual([])
  })
})

describe('the page on compliance', () => {
  const rows = [...COMPLIANCE.matchAll(/^\| (?!requirement|criterion|control|---)(.*) \|$/gm)].map(
    ([, row = '']) => row.split(' | '),
  )

  test('says of each requirement what is done, what shows it, and what stays the reader’s', () => {
    expect(rows.length).toBeGreaterThan(45)
    for (const [requirement, does, shown] of rows) {
      expect(requirement, requirement).toMatch(/\w/)
      expect(does, requirement).toMatch(/\w/)
      expect(shown, requirement).toMatch(/`otel-audit /)
    }
  })

  test.each([
    [
      'PCI DSS 4.0.1',
      [
        '10.2.1',
        '10.2.1.1',
        '10.2.1.2',
        '10.2.1.3',
        '10.2.1.4',
        '10.2.1.5',
        '10.2.1.6',
        '10.2.1.7',
        '10.2.2',
        '10.3.1',
        '10.3.2',
        '10.3.3',
        '10.3.4',
        '10.4.1',
        '10.4.2',
        '10.4.3',
        '10.5.1',
        '10.6.1',
        '10.7.2',
      ],
    ],
    ['SOC 2', ['CC6.1', 'CC6.2', 'CC6.3', 'CC6.6', 'CC6.8', 'CC7.1', 'CC7.2', 'CC7.3', 'CC7.4']],
    ['ISO 27001', ['A.8.15', 'A.8.16', 'A.8.17']],
    [
      'NIST 800-53',
      ['AU-2', 'AU-3', 'AU-4', 'AU-5', 'AU-6', 'AU-7', 'AU-8', 'AU-9', 'AU-10', 'AU-11', 'AU-12', 'FedRAMP'],
    ],
    ['HIPAA', ['164.312(b)', '164.312(c)', '164.312(d)']],
  ])('has what %s asks of logging', (_, requirements) => {
    for (const requirement of requirements) expect(COMPLIANCE).toContain(requirement)
  })
})

describe('the auditor’s page', () => {
  test('has every finding and every file of a bundle', () => {
    const findings = [...AUDITOR.matchAll(/^\| `(bundle-\w+)` \| (.*) \|$/gm)].map(([, code, text]) => [
      code,
      text,
    ])
    expect(findings).toEqual(Object.entries(BUNDLE_FINDINGS))
    for (const file of [...Object.keys(BUNDLE_FILES), MANIFEST, SIGNATURE])
      expect(AUDITOR).toContain(`\`${file}\``)
  })

  test('has the versions of the schemas, and where each column goes that has a field', () => {
    expect(AUDITOR).toContain(`](https://schema.ocsf.io) ${OCSF_MAPPING.schema}`)
    expect(AUDITOR).toContain(`](https://www.elastic.co/docs/reference/ecs) ${ECS_MAPPING.schema}`)
    const named = new Set([...AUDITOR.matchAll(/`(\w+)`/g)].map(([, name]) => name))
    const unmapped = [
      'parent_execution_id',
      'broker_region',
      'attributes',
      'original_audit_id',
      'chain_id',
      'block_no',
      'block_index',
    ]
    expect(COLUMNS.filter((column) => !named.has(column))).toEqual(
      unmapped.filter((column) => !named.has(column)),
    )
  })
})
