"""What the dashboards are put together from: queries, panels of one look, and the frame that all of them share.

Every panel says in its description what question it answers. A panel with `none` is empty when all is well, and says so;
any other one must have data as soon as a sensor runs (tests/dashboards asks a real Prometheus and Elasticsearch).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    elasticsearch,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.elasticsearch import TermsOrder
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = kinds.DataSourceRef(type_val="prometheus", uid="detector-prometheus")
ELASTICSEARCH = kinds.DataSourceRef(type_val="elasticsearch", uid="detector-elasticsearch")

# Which series and documents the variables at the top of a dashboard choose. Prometheus' scrape configuration gives each
# target the labels sensor and namespace; documents have them as ECS does.
CHOSEN = 'namespace=~"$namespace",sensor=~"$sensor"'
CHOSEN_ALERTS = "observer.name:${sensor:lucene} AND data_stream.namespace:${namespace:lucene}"
BY = "by (namespace, sensor)"

GREEN, BLUE, YELLOW, ORANGE, RED = "green", "blue", "yellow", "orange", "red"
LEVEL_COLOURS = {"critical": "dark-red", "high": RED, "medium": ORANGE, "low": YELLOW, "informational": BLUE}
WIDE = 24

DASHBOARDS = {
    "detector-overview": "Detector: overview",
    "detector-health": "Detector: sensor health",
    "detector-rules": "Detector: rules and tuning",
    "detector-industrial": "Detector: industrial protocols",
}

Query = prometheus.Dataquery | elasticsearch.Dataquery
Panel = bargauge.Panel | heatmap.Panel | stat.Panel | statetimeline.Panel | table.Panel | timeseries.Panel
Steps = Sequence[tuple[float | None, str]]
GOOD_AT_ONE: Steps = ((None, RED), (1, GREEN))
BAD_ABOVE_ZERO: Steps = ((None, GREEN), (1, RED))
PLAIN: Steps = ((None, BLUE),)


def metric(name: str, *, more: str = "") -> str:
    """A metric of the chosen sensors."""
    return f"{name}{{{CHOSEN}{',' if more else ''}{more}}}"


def rate(name: str, by: str = "", *, more: str = "") -> str:
    """What a counter gains in a second, summed by sensor and by further labels."""
    labels = ", ".join(filter(None, ("namespace", "sensor", by)))
    return f"sum by ({labels}) (rate({metric(name, more=more)}[$__rate_interval]))"


def gained(name: str, by: str, *, more: str = "") -> str:
    """What a counter gained in the time that is shown, summed by labels."""
    return f"sum by ({by}) (increase({metric(name, more=more)}[$__range]))"


def promql(expression: str, legend: str = "", *, now: bool = False, buckets: bool = False) -> prometheus.Dataquery:
    """A query of Prometheus: over time, or as it stands now, as a table."""
    query = prometheus.Dataquery().datasource(PROMETHEUS).expr(expression)
    if now:
        return query.instant().format(PromQueryFormat.TABLE)
    if buckets:
        query = query.format(PromQueryFormat.HEATMAP)
    return query.range().legend_format(legend)


def latest(expression: str, legend: str = "") -> prometheus.Dataquery:
    """A query of Prometheus as it stands now, as numbers with names."""
    return prometheus.Dataquery().datasource(PROMETHEUS).expr(expression).instant().legend_format(legend)


def alerts(condition: str = "") -> elasticsearch.Dataquery:
    """A query for alerts of the chosen sensors."""
    text = f"{CHOSEN_ALERTS} AND {condition}" if condition else CHOSEN_ALERTS
    return elasticsearch.Dataquery().datasource(ELASTICSEARCH).query(text).time_field("@timestamp")


def documents(condition: str = "", *, most: int = 200) -> elasticsearch.Dataquery:
    """The alerts themselves, newest first."""
    settings = elasticsearch.ElasticsearchRawDataSettings().size(str(most))
    return alerts(condition).metrics([elasticsearch.RawData().id("1").settings(settings)]).bucket_aggs([])


def counted(field: str, condition: str = "", *, most: int = 10) -> elasticsearch.Dataquery:
    """How many alerts have each value of a field, the most frequent first."""
    return alerts(condition).metrics([elasticsearch.Count().id("1")]).bucket_aggs([terms("2", field, most)])


def over_time(field: str, condition: str = "", *, most: int = 10, alias: str = "") -> elasticsearch.Dataquery:
    """How many alerts there are in each interval, one series for each value of a field."""
    histogram = elasticsearch.ElasticsearchDateHistogramSettings().interval("auto").min_doc_count("0")
    buckets = [terms("2", field, most), elasticsearch.DateHistogram().id("3").field("@timestamp").settings(histogram)]
    return (
        alerts(condition)
        .metrics([elasticsearch.Count().id("1")])
        .bucket_aggs(buckets)
        .alias(alias or f"{{{{term {field}}}}}")
    )


def number(condition: str = "") -> elasticsearch.Dataquery:
    """How many alerts there are in each interval."""
    histogram = elasticsearch.ElasticsearchDateHistogramSettings().interval("auto").min_doc_count("0")
    buckets = [elasticsearch.DateHistogram().id("2").field("@timestamp").settings(histogram)]
    return alerts(condition).metrics([elasticsearch.Count().id("1")]).bucket_aggs(buckets)


def terms(name: str, field: str, most: int) -> elasticsearch.Terms:
    """A bucket for each value."""
    settings = elasticsearch.ElasticsearchTermsSettings().order(TermsOrder.DESC).order_by("_count")
    return elasticsearch.Terms().id(name).field(field).settings(settings.size(str(most)).min_doc_count("1"))


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """From which value on which colour."""
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps([
        model.Threshold(value=value, color=colour) for value, colour in steps
    ])  # fmt: skip


def described(panel: Any, title: str, answers: str, queries: Sequence[Query], none: str, size: tuple[int, int]) -> Any:
    """What every panel has. none: what it shows where an empty answer is normal. size: width of 24, height."""
    panel = panel.title(title).description(answers).span(size[0]).height(size[1])
    for letter, query in zip("ABCDEFGHIJ", queries, strict=False):
        panel = panel.with_target(query.ref_id(letter))
    panel = panel.datasource(ELASTICSEARCH if isinstance(queries[0], elasticsearch.Dataquery) else PROMETHEUS)
    return panel.no_value(none) if none else panel


def big(
    title: str, answers: str, query: Query, *, unit: str = "short", steps: Steps = PLAIN, calculation: str = "lastNotNull",
    names: Mapping[str, tuple[str, str]] | None = None, none: str = "", link: str = "", width: int = 4,
) -> stat.Panel:  # fmt: skip
    """One number, readable from across the room, coloured by its thresholds."""
    panel: stat.Panel = described(stat.Panel(), title, answers, [query], none, (width, 4))
    panel = panel.unit(unit).thresholds(thresholds(steps)).color_mode(kinds.BigValueColorMode.BACKGROUND)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs([calculation]).values(False).fields(""))
    panel = panel.graph_mode(kinds.BigValueGraphMode.NONE).text_mode(kinds.BigValueTextMode.AUTO)
    if names:
        panel = panel.mappings([named(names)])
    return panel.data_links([link_to(link)]) if link else panel


def graph(
    title: str, answers: str, *queries: Query, unit: str = "short", steps: Steps = (), stacked: bool = False, bars: bool = False,
    colours: Mapping[str, str] | None = None, least: float | None = 0, none: str = "", width: int = 12, height: int = 8,
    calculations: Sequence[str] = ("lastNotNull", "max"),
) -> timeseries.Panel:  # fmt: skip
    """Lines or bars over time."""
    panel: timeseries.Panel = described(timeseries.Panel(), title, answers, queries, none, (width, height))
    legend = (
        common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.TABLE).placement(kinds.LegendPlacement.BOTTOM)
    )
    panel = panel.unit(unit).legend(legend.show_legend(True).calcs(list(calculations)))
    panel = panel.tooltip(
        common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING)
    )
    panel = panel.line_width(1).fill_opacity(70 if stacked or bars else 8).show_points(kinds.VisibilityMode.AUTO)
    panel = panel.draw_style(kinds.GraphDrawStyle.BARS if bars else kinds.GraphDrawStyle.LINE)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
    if least is not None:
        panel = panel.axis_soft_min(least)
    if steps:
        style = common.GraphThresholdsStyleConfig().mode(kinds.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(thresholds(steps)).thresholds_style(style)
    for name, colour in (colours or {}).items():
        fixed = model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
        panel = panel.override_by_name(name, [fixed])
    return panel


def ranking(
    title: str, answers: str, query: Query, *, unit: str = "short", none: str = "", width: int = 8, height: int = 8,
    steps: Steps = PLAIN, link: str = "",
) -> bargauge.Panel:  # fmt: skip
    """The first few of a list as bars."""
    panel: bargauge.Panel = described(bargauge.Panel(), title, answers, [query], none, (width, height))
    panel = panel.unit(unit).orientation(kinds.VizOrientation.HORIZONTAL).thresholds(thresholds(steps)).min(0)
    panel = panel.display_mode(kinds.BarGaugeDisplayMode.BASIC).value_mode(kinds.BarGaugeValueMode.TEXT)
    # Elasticsearch answers with a table (a row for each value), Prometheus with a series for each.
    every_row = isinstance(query, elasticsearch.Dataquery)
    panel = panel.reduce_options(
        common.ReduceDataOptions().calcs(["lastNotNull"]).values(every_row).fields("").limit(15)
    )
    return panel.data_links([link_to(link)]) if link else panel


def states(
    title: str, answers: str, query: Query, names: Mapping[str, tuple[str, str]], *, none: str = "", width: int = 12, height: int = 6
) -> statetimeline.Panel:  # fmt: skip
    """Which state each thing was in, over time. names: {value: (word, colour)}."""
    panel: statetimeline.Panel = described(statetimeline.Panel(), title, answers, [query], none, (width, height))
    panel = panel.mappings([named(names)]).show_value(kinds.VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    return panel.legend(common.VizLegendOptions().show_legend(True).placement(kinds.LegendPlacement.BOTTOM))


def heat_of(title: str, answers: str, query: Query, *, width: int = 12, height: int = 8) -> heatmap.Panel:
    """How a histogram's shares move over time."""
    panel: heatmap.Panel = described(heatmap.Panel(), title, answers, [query], "", (width, height))
    panel = panel.calculate(False).y_axis(heatmap.YAxisConfig().unit("s")).hide_legend()
    colour = heatmap.HeatmapColorOptions().mode(heat.HeatmapColorMode.SCHEME).scheme("Oranges").steps(32)
    return panel.color(colour).cell_gap(1)


def listing(
    title: str, answers: str, *queries: Query, columns: Mapping[str, str], hidden: Sequence[str] = (), units: Mapping[str, str] | None = None,
    coloured: Mapping[str, Steps] | None = None, words: Mapping[str, Mapping[str, tuple[str, str]]] | None = None,
    links: Mapping[str, str] | None = None, widths: Mapping[str, int] | None = None, only: bool = False, sort: str = "",
    none: str = "", width: int = WIDE, height: int = 9,
) -> table.Panel:  # fmt: skip
    """A table. columns: {name in the answer: heading}, in this order; the rest is hidden where `only` is set."""
    panel: table.Panel = described(table.Panel(), title, answers, queries, none, (width, height))
    panel = panel.cell_height(kinds.TableCellHeight.SM).filterable(True)
    if len(queries) > 1:
        panel = panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    if only:
        kept: dict[str, Any] = {"include": {"names": list(columns)}}
        panel = panel.with_transformation(model.DataTransformerConfig(id_val="filterFieldsByName", options=kept))
    order = {name: place for place, name in enumerate(columns)}
    arranged = {"indexByName": order, "renameByName": dict(columns), "excludeByName": dict.fromkeys(hidden, True)}
    panel = panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=arranged))
    properties: dict[str, list[model.DynamicConfigValue]] = {}
    for heading, unit in (units or {}).items():
        properties.setdefault(heading, []).append(model.DynamicConfigValue(id_val="unit", value=unit))
    for heading, steps in (coloured or {}).items():
        properties.setdefault(heading, []).extend([
            model.DynamicConfigValue(id_val="thresholds", value=thresholds(steps).build().to_json()),
            model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background", "mode": "basic"}),
        ])  # fmt: skip
    for heading, names in (words or {}).items():
        properties.setdefault(heading, []).extend([
            model.DynamicConfigValue(id_val="mappings", value=[named(names).to_json()]),
            model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background", "mode": "basic"}),
        ])  # fmt: skip
    for heading, link in (links or {}).items():
        made = [link_to(link).build().to_json()]
        properties.setdefault(heading, []).append(model.DynamicConfigValue(id_val="links", value=made))
    for heading, pixels in (widths or {}).items():
        properties.setdefault(heading, []).append(model.DynamicConfigValue(id_val="custom.width", value=pixels))
    for heading, values in properties.items():
        panel = panel.override_by_name(heading, values)
    return panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(True)]) if sort else panel


def alert_table(title: str, answers: str, condition: str = "", *, none: str = "", height: int = 11) -> table.Panel:
    """Alerts, newest first: time, level, rule, source, destination, message, sensor."""
    columns = {"@timestamp": "time", "detector.level": "level", "rule.name": "rule", "source.address": "source",
               "destination.address": "destination", "message": "message", "observer.name": "sensor"}  # fmt: skip
    return listing(
        title, answers, documents(condition), columns=columns, only=True, none=none, height=height, sort="time",
        words={"level": {level: (level, colour) for level, colour in LEVEL_COLOURS.items()}},
        links={"rule": "detector-rules?var-rule=${__value.raw}"},
        widths={"time": 180, "level": 90, "rule": 260, "source": 140, "destination": 140, "sensor": 110},
    )  # fmt: skip


def named(names: Mapping[str, tuple[str, str]]) -> model.ValueMap:
    """Words and colours in place of values."""
    return model.ValueMap(options={
        value: model.ValueMappingResult(text=word, color=colour, index=place)
        for place, (value, (word, colour)) in enumerate(names.items())
    })  # fmt: skip


def link_to(target: str) -> dashboard.DashboardLink:
    """A link of a cell or number to another dashboard, which keeps the time. target: uid[?var-x=...]."""
    uid, _, variables = target.partition("?")
    url = f"/d/{uid}?${{__url_time_range}}" + (f"&{variables}" if variables else "")
    return dashboard.DashboardLink(DASHBOARDS[uid]).url(url)


def variable(name: str, label: str, query: str, answers: str) -> dashboard.QueryVariable:
    """A choice at the top. Without a custom "all", so that it works as a regular expression and as a Lucene list."""
    made = dashboard.QueryVariable(name).label(label).description(answers).datasource(PROMETHEUS)
    made = made.query({"query": query, "refId": name}).definition(query)
    made = made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
    everything = model.VariableOption(selected=True, text=["All"], value=["$__all"])
    return made.multi(True).include_all(True).current(everything)


def framed(
    uid: str,
    answers: str,
    rows: Mapping[str, Sequence[Panel]],
    *,
    time: str = "now-1h",
    variables: Sequence[dashboard.QueryVariable] = (),
) -> model.Dashboard:
    """A dashboard: choices and links at the top, then rows of panels."""
    made = dashboard.Dashboard(DASHBOARDS[uid]).uid(uid).description(answers).tags(["detector"]).readonly()
    made = made.time(time, "now").timezone("utc").refresh("30s").tooltip(model.DashboardCursorSync.CROSSHAIR).version(1)
    made = made.with_variable(variable("namespace", "namespace", "label_values(detector_build_info, namespace)",
                                       "Of the data stream that alerts go to, and of the sensor's scrape configuration."))  # fmt: skip
    made = made.with_variable(variable("sensor", "sensor", 'label_values(detector_build_info{namespace=~"$namespace"}, sensor)',
                                       "As it is called in detector.yml and in Prometheus' scrape configuration."))  # fmt: skip
    for one in variables:
        made = made.with_variable(one)
    others = dashboard.DashboardLink("Detector").type(model.DashboardLinkType.DASHBOARDS).tags(["detector"])
    made = made.link(others.include_vars(True).keep_time(True))
    ids = count(1)
    for title, panels in rows.items():
        made = made.with_row(dashboard.Row(title).id(next(ids)))
        for panel in panels:
            made = made.with_panel(panel.id(next(ids)))
    built = made.build()
    for link in built.links or []:
        link.placement = None  # the SDK's default hides links in a menu
    return built
