import {
  DashboardBuilder,
  DashboardLinkBuilder,
  DashboardLinkType,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { PROMETHEUS } from './panels.js'

interface Head {
  readonly uid: string
  readonly title: string
  readonly description: string
  /** Where the time range begins: it ends now. */
  readonly from: string
  /** How often all is read again; empty for only when asked to. */
  readonly refresh: string
}

/** What both dashboards have: where the console is, which credential, and the way to the other one. */
export function dashboardOf({ uid, title, description, from, refresh }: Head): DashboardBuilder {
  return new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['otel-audit'])
    .time({ from, to: 'now' })
    .timezone('browser')
    .refresh(refresh)
    .link(
      new DashboardLinkBuilder('Dashboards of the trail')
        .type(DashboardLinkType.Dashboards)
        .tags(['otel-audit'])
        .keepTime(true),
    )
    .link(
      new DashboardLinkBuilder('Console').type(DashboardLinkType.Link).url('${console}/').targetBlank(true),
    )
    .withVariable(
      new TextBoxVariableBuilder('console')
        .label('Console')
        .description('Where `otel-audit serve` answers: links lead there.')
        .defaultValue('http://localhost:8484'),
    )
    .withVariable(
      new TextBoxVariableBuilder('credential')
        .label('Credential')
        .description('Only this credential, in what is read from the trail. Empty: all.')
        .defaultValue(''),
    )
}

/** Services, by the job that Prometheus has them under. */
export function serviceVariable(): QueryVariableBuilder {
  const query = 'label_values(noetl_secret_audit_build_info, job)'
  return new QueryVariableBuilder('service')
    .label('Service')
    .datasource(PROMETHEUS)
    .query({ query, refId: 'service' })
    .definition(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ text: ['All'], value: ['$__all'] })
}
