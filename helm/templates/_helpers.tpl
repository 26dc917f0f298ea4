{{/* A Service's name (RFC 1035) of any release's: with a letter first and without dots. What is changed or cut off is
told apart by a hash. */}}
{{- define "moorage.name" -}}
{{- $plain := .Release.Name | replace "." "-" }}
{{- $full := printf "%s-moorage" $plain }}
{{- if contains "moorage" $plain }}{{ $full = $plain }}{{ end }}
{{- if not (regexMatch "^[a-z]" $plain) }}{{ $full = printf "moorage-%s" $plain }}{{ end }}
{{- if or (gt (len $full) 50) (contains "." .Release.Name) }}
{{- $full = printf "%s-%s" ($full | trunc 41 | trimSuffix "-") (.Release.Name | sha256sum | trunc 8) }}
{{- end }}
{{- $full }}
{{- end }}

{{- define "moorage.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{ include "moorage.selector" . }}
{{- end }}

{{- define "moorage.selector" -}}
app.kubernetes.io/name: moorage
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels of pods; what selects them never changes. */}}
{{- define "moorage.podLabels" -}}
{{- with .Values.podLabels }}
{{- toYaml . }}
{{ end }}
{{- include "moorage.labels" . }}
{{- end }}

{{- define "moorage.serviceAccount" -}}
{{- if .Values.serviceAccount.name }}{{ .Values.serviceAccount.name }}{{ else if .Values.serviceAccount.create }}{{ include "moorage.name" . }}{{ else }}default{{ end }}
{{- end }}

{{- define "moorage.secretData" -}}
{{- range $name, $value := .Values.secrets }}
{{- if $value }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "moorage.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* A container of the image; takes (dict "root" $ "command" … "secret" …). */}}
{{- define "moorage.container" -}}
image: {{ printf "%s:%s%s" .root.Values.image.repository (.root.Values.image.tag | default .root.Chart.AppVersion) (ternary (printf "@%s" .root.Values.image.digest) "" (ne .root.Values.image.digest "")) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [{{ .command | quote }}]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
envFrom:
  - secretRef:
      name: {{ .secret | quote }}
env:
  - name: MOORAGE_LISTEN
    value: "0.0.0.0:5000"
  {{- if .root.Values.metrics.enabled }}
  - name: MOORAGE_ADMIN_LISTEN
    value: "0.0.0.0:{{ .root.Values.metrics.port }}"
  {{- end }}
  {{- if .root.Values.tracing.endpoint }}
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: OTEL_RESOURCE_ATTRIBUTES
    value: "k8s.namespace.name={{ .root.Release.Namespace }},k8s.pod.name=$(POD_NAME)"
  - name: OTEL_EXPORTER_OTLP_ENDPOINT
    value: {{ .root.Values.tracing.endpoint | quote }}
  {{- with .root.Values.tracing.sampler }}
  - name: OTEL_TRACES_SAMPLER
    value: {{ . | quote }}
  {{- end }}
  {{- with .root.Values.tracing.samplerArg }}
  - name: OTEL_TRACES_SAMPLER_ARG
    value: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- if .root.Values.tls.existingSecret }}
  - name: MOORAGE_TLS_CERT
    value: /etc/moorage/tls/tls.crt
  - name: MOORAGE_TLS_KEY
    value: /etc/moorage/tls/tls.key
  {{- end }}
  {{- range $name, $value := .root.Values.settings }}
  {{- if $value }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  {{- end }}
  {{- with .root.Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if .root.Values.tls.existingSecret }}
  - name: tls
    mountPath: /etc/moorage/tls
    readOnly: true
  {{- end }}
  {{- with .root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "moorage.volumes" -}}
- name: tmp
  emptyDir: {}
{{- if .Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ .Values.tls.existingSecret | quote }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "moorage.secret" -}}
{{- .Values.existingSecret | default (include "moorage.name" .) }}
{{- end }}

{{/* Pods start anew when what they were told changes. */}}
{{- define "moorage.checksum" -}}
checksum/secret: {{ include "moorage.secretData" . | sha256sum }}
{{- end }}
