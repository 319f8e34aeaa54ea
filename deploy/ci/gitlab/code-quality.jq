# From a SARIF log of ringfence to a Code Quality report of GitLab. A brace of a SARIF message is written twice.
[.runs[].results[] | select(.locations) | .locations[0].physicalLocation as $place | {
	description: (.message.text | gsub("\\{\\{"; "{") | gsub("\\}\\}"; "}")),
	check_name: .ruleId,
	fingerprint: .partialFingerprints["ringfence/v1"],
	severity: (if .level == "error" then "critical" else "minor" end),
	location: {path: $place.artifactLocation.uri, lines: {begin: $place.region.startLine}}
}]
