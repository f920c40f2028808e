{{- /* Names, labels and the pieces that more than one template needs. */ -}}

{{- define "vault.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* A release that is already called after the chart is not called so twice. */ -}}
{{- define "vault.fullname" -}}
{{- $name := include "vault.name" . -}}
{{- $long := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ .Values.fullnameOverride | default $long | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "vault.namespace" -}}
{{ .Values.global.namespace | default .Release.Namespace }}
{{- end }}

{{- define "vault.scheme" -}}
{{ ternary "http" "https" .Values.global.tlsDisable }}
{{- end }}

{{- define "vault.serviceAccountName" -}}
{{- $made := ternary (include "vault.fullname" .) "default" .Values.server.serviceAccount.create -}}
{{ .Values.server.serviceAccount.name | default $made }}
{{- end }}

{{- define "vault.selector" -}}
app.kubernetes.io/name: {{ include "vault.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
component: server
{{- end }}

{{- define "vault.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/name: {{ include "vault.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Some values may be a map, or text that is itself a template. Takes a list: value, root. */ -}}
{{- define "vault.mapOrText" -}}
{{- $value := index . 0 -}}
{{- if kindIs "string" $value }}{{ tpl $value (index . 1) | trim }}{{ else }}{{ toYaml $value }}{{ end -}}
{{- end }}

{{- /* The server's configuration. Unless it says otherwise, memory is not locked: a Pod may not. */ -}}
{{- define "vault.config" -}}
{{- $text := tpl .Values.server.standalone.config . | trim -}}
{{- if hasPrefix "{" $text -}}
{{ merge (mustFromJson $text) (dict "disable_mlock" true) | mustToPrettyJson }}
{{- else -}}
{{ $text }}
{{- if not (regexMatch `(?m)^\s*disable_mlock\s*=` $text) }}
disable_mlock = true
{{- end }}
{{- end }}
{{- end }}

{{- define "vault.probeTimes" -}}
failureThreshold: {{ .failureThreshold }}
initialDelaySeconds: {{ .initialDelaySeconds }}
periodSeconds: {{ .periodSeconds }}
successThreshold: {{ .successThreshold }}
timeoutSeconds: {{ .timeoutSeconds }}
{{- end }}
