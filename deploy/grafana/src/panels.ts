import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TableCellHeight,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  type DynamicConfigValue,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TablePanel } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as TextPanel } from '@grafana/grafana-foundation-sdk/text'
import { PanelBuilder as TimeseriesPanel } from '@grafana/grafana-foundation-sdk/timeseries'
import { TRAIL, TrailQuery } from './trail-query.js'

export const PROMETHEUS = { type: 'prometheus', uid: 'prometheus' }

interface Size {
  readonly width: number
  readonly height: number
}

/** What a panel shows of a metric. */
interface Query {
  readonly expr: string
  readonly legend?: string
}

interface StatOptions {
  readonly unit?: string
  readonly decimals?: number
  /** From which values on the panel is orange, and red. Without: it is blue. */
  readonly orange?: number
  readonly red?: number
}

export function stat(
  title: string,
  description: string,
  expr: string,
  { unit = 'short', decimals = 0, orange, red }: StatOptions = {},
): Builder<ReturnType<StatPanel['build']>> {
  const steps: Threshold[] = [
    { color: orange === undefined && red === undefined ? 'blue' : 'green', value: null },
  ]
  if (orange !== undefined) steps.push({ color: 'orange', value: orange })
  if (red !== undefined) steps.push({ color: 'red', value: red })
  return new StatPanel()
    .title(title)
    .description(description)
    .datasource(PROMETHEUS)
    .withTarget(new DataqueryBuilder().refId('A').datasource(PROMETHEUS).expr(expr))
    .unit(unit)
    .decimals(decimals)
    .thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps))
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false))
    .colorMode(BigValueColorMode.Background)
    .graphMode(BigValueGraphMode.None)
    .textMode(BigValueTextMode.Value)
    .span(4)
    .height(4)
}

interface GraphOptions extends Partial<Size> {
  readonly unit?: string
  readonly bars?: boolean
  readonly isStacked?: boolean
}

/** Lines, or bars, over time. */
export function graph(
  title: string,
  description: string,
  queries: readonly Query[],
  options: GraphOptions = {},
): TimeseriesPanel {
  const panel = styled(new TimeseriesPanel().title(title).description(description), options).datasource(
    PROMETHEUS,
  )
  for (const [i, { expr, legend }] of queries.entries()) {
    const query = new DataqueryBuilder()
      .refId(String.fromCodePoint(65 + i))
      .datasource(PROMETHEUS)
      .expr(expr)
    panel.withTarget(legend === undefined ? query : query.legendFormat(legend))
  }
  return panel
}

/** Counts of rows of the trail over time. */
export function trailGraph(
  title: string,
  description: string,
  name: string,
  options: GraphOptions,
): TimeseriesPanel {
  return styled(new TimeseriesPanel().title(title).description(description), options)
    .datasource(TRAIL)
    .withTarget(new TrailQuery(name, 'time_series'))
}

function styled(
  panel: TimeseriesPanel,
  { unit = 'short', bars = false, isStacked = false, width = 8, height = 8 }: GraphOptions,
): TimeseriesPanel {
  panel
    .unit(unit)
    .drawStyle(bars ? GraphDrawStyle.Bars : GraphDrawStyle.Line)
    .fillOpacity(bars ? 80 : isStacked ? 40 : 10)
    .lineWidth(bars ? 0 : 1)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .span(width)
    .height(height)
  if (isStacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'))
  return panel
}

/** Rows of the trail, or what is counted of them, by a statement of `sql/`. */
export function table(title: string, description: string, name: string, { width, height }: Size): TablePanel {
  const panel = new TablePanel()
    .title(title)
    .description(description)
    .datasource(TRAIL)
    .withTarget(new TrailQuery(name))
    .cellHeight(TableCellHeight.Sm)
    .span(width)
    .height(height)
  for (const [column, link] of Object.entries(LINKS)) panel.overrideByName(column, [link])
  return panel
}

export function text(markdown: string, { width, height }: Size): TextPanel {
  return new TextPanel().content(markdown).transparent(true).span(width).height(height)
}

/** Where a value of a table leads: to the console, which records that it was read, or to the trace. */
const LINKS: Readonly<Record<string, DynamicConfigValue>> = Object.freeze({
  credential: link(
    'In the console',
    '${console}/?credential=${__value.raw:percentencode}&from=${__from:date:iso}&to=${__to:date:iso}',
  ),
  actor: link(
    'In the console',
    '${console}/?actor_id=${__value.raw:percentencode}&from=${__from:date:iso}&to=${__to:date:iso}',
  ),
  audit_id: link('The row, verified, in the console', '${console}/?row=${__value.raw:percentencode}'),
  trace_id: link('The trace in Jaeger', traceInJaeger()),
})

function link(title: string, url: string): DynamicConfigValue {
  return { id: 'links', value: [{ title, url, targetBlank: true }] }
}

function traceInJaeger(): string {
  const pane = { datasource: 'jaeger', queries: [{ refId: 'A', query: '<id>' }] }
  const panes = encodeURIComponent(JSON.stringify({ trace: pane })).replace(
    encodeURIComponent('<id>'),
    '${__value.raw}',
  )
  return `/explore?schemaVersion=1&panes=${panes}`
}
