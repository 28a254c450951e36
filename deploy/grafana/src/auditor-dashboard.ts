import { type Dashboard, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard'
import { dashboardOf } from './dashboard.js'
import { table, text, trailGraph } from './panels.js'
import { LEAVES_NO_ROW } from './service-dashboard.js'

/** For whoever reviews accesses: who used which credential, what was denied, what nobody uses, and what is not seen. */
export function auditorDashboard(): Dashboard {
  return dashboardOf({
    uid: 'otel-audit-review',
    title: 'Secret access review',
    description:
      'Who accessed which credential, what was denied, what nobody uses any more, and what is not covered.',
    from: 'now-30d',
    refresh: '',
  })
    .withPanel(text(`${LEAVES_NO_ROW}\n\n${NOT_PROVEN}`, { width: 24, height: 5 }))
    .withPanel(
      table(
        'In all',
        'Of the time range. “Without a block”: rows that no signed block vouches for, such as those from before this library.',
        'totals',
        { width: 24, height: 4 },
      ),
    )
    .withPanel(
      trailGraph('Accesses by outcome', 'Without the rows that the trail writes about itself.', 'over-time', {
        bars: true,
        isStacked: true,
        width: 24,
      }),
    )
    .withRow(new RowBuilder('Who, and what'))
    .withPanel(
      table(
        'Accesses by actor and credential',
        'The 40 actors and 15 credentials with the most accesses.',
        'matrix',
        {
          width: 24,
          height: 10,
        },
      ).withTransformation({
        id: 'groupingToMatrix',
        options: { rowField: 'actor', columnField: 'credential', valueField: 'accesses', emptyValue: 'null' },
      }),
    )
    .withPanel(
      table('The same, as a list', 'The 500 pairs with the most accesses.', 'actor-by-credential', {
        width: 16,
        height: 12,
      }),
    )
    .withPanel(
      table(
        'Dormant credentials',
        'Accessed in the 90 days before the time range, and not in it, the longest ago first.',
        'dormant',
        { width: 8, height: 12 },
      ),
    )
    .withRow(new RowBuilder('What was denied'))
    .withPanel(
      table(
        'Denials',
        'By credential, actor and outcome, the most first; failures are among them.',
        'denials',
        {
          width: 14,
          height: 10,
        },
      ),
    )
    .withPanel(
      table('Bursts', 'More than ten denials of a credential within five minutes.', 'bursts', {
        width: 10,
        height: 10,
      }),
    )
    .withRow(new RowBuilder('What is not in it, and who looked'))
    .withPanel(
      table(
        'Lost and withheld',
        'Events that are known to be missing, and secrets that were withheld after all.',
        'missing',
        {
          width: 12,
          height: 8,
        },
      ),
    )
    .withPanel(
      table(
        'Coverage',
        'How the secret clients of each service are seen, as said last in the time range.',
        'coverage',
        {
          width: 12,
          height: 8,
        },
      ),
    )
    .withPanel(
      table('Reads of the trail', 'Who read or exported it, through console, API or command line.', 'reads', {
        width: 24,
        height: 8,
      }),
    )
    .build()
}

const NOT_PROVEN = `Nothing here is proven: it is what the database says. \`otel-audit verify\` proves it, and an export with its manifest is what goes to others.`
