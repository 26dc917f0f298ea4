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

{{- define "moorage.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* What all pods have in common; takes (dict "root" $ "part" …), where the part says which nodes are meant. */}}
{{- define "moorage.pod" -}}
automountServiceAccountToken: false
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.initContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with get $.part $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "moorage.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "moorage.scheme" -}}
{{ ternary "HTTPS" "HTTP" (ne .Values.tls.existingSecret "") }}
{{- end }}

{{/* A container of the image; takes (dict "root" $ "command" … "secret" …), and "port" of its metrics. */}}
{{- define "moorage.container" -}}
image: {{ include "moorage.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [{{ .command | quote }}]
securityContext:
  {{- include "moorage.containerSecurity" . | nindent 2 }}
envFrom:
  - secretRef:
      name: {{ .secret | quote }}
  {{- with .root.Values.envFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  - name: MOORAGE_LISTEN
    value: "0.0.0.0:5000"
  {{- if and .port .root.Values.metrics.enabled }}
  - name: MOORAGE_ADMIN_LISTEN
    value: "0.0.0.0:{{ .port }}"
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
  {{- if include "moorage.authorities" .root }}
  # Beside those of the system, which OpenSSL finds in a folder.
  - name: SSL_CERT_FILE
    value: /etc/moorage/authorities/{{ .root.Values.caBundle.key }}
  {{- end }}
  {{- if .root.Values.persistence.enabled }}
  - name: MOORAGE_STORE_PATH
    value: /var/lib/moorage
  {{- end }}
  {{- with include "moorage.publicUrl" .root }}
  - name: MOORAGE_PUBLIC_URL
    value: {{ . | quote }}
  {{- end }}
  {{- range $name, $value := omit .root.Values.settings "MOORAGE_PUBLIC_URL" }}
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
  {{- if include "moorage.authorities" .root }}
  - name: authorities
    mountPath: /etc/moorage/authorities
    readOnly: true
  {{- end }}
  {{- if and .port .root.Values.persistence.enabled }}
  - name: data
    mountPath: /var/lib/moorage
  {{- end }}
  {{- with .root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The container of the worker, in a pod of its own or beside the server. */}}
{{- define "moorage.worker" -}}
- name: worker
  {{- include "moorage.container" (dict "root" .root "command" "worker" "secret" (include "moorage.secret" .root) "port" .port) | nindent 2 }}
  {{- if .root.Values.metrics.enabled }}
  ports:
    - name: {{ .portName }}
      containerPort: {{ .port }}
  # It answers as long as its loop runs; the worker waits for PostgreSQL and S3 by itself.
  livenessProbe:
    httpGet: {path: /healthz, port: {{ .portName }}}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  {{- end }}
  resources:
    {{- toYaml .root.Values.worker.resources | nindent 4 }}
{{- end }}

{{- define "moorage.volumes" -}}
- name: tmp
  emptyDir: {}
{{- if .Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ .Values.tls.existingSecret | quote }}
{{- end }}
{{- with .Values.caBundle.configMap }}
- name: authorities
  configMap:
    name: {{ . | quote }}
{{- end }}
{{- with .Values.caBundle.secret }}
- name: authorities
  secret:
    secretName: {{ . | quote }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where the authorities are that are trusted beside the system's; empty without any. */}}
{{- define "moorage.authorities" -}}
{{- if and .Values.caBundle.configMap .Values.caBundle.secret }}{{ fail "caBundle: a configMap or a secret, not both" }}{{ end }}
{{- .Values.caBundle.configMap | default .Values.caBundle.secret }}
{{- end }}

{{- define "moorage.secret" -}}
{{- .Values.existingSecret | default (include "moorage.name" .) }}
{{- end }}

{{/* Pods start anew when what they were told changes. What is in objects of yours helm reads where it speaks with the
cluster (install, upgrade), and so not in `helm template`. */}}
{{- define "moorage.checksum" -}}
{{- $told := include "moorage.secretData" . }}
{{- with .Values.existingSecret }}{{ $told = (lookup "v1" "Secret" $.Release.Namespace . | default dict).data | toJson }}{{ end -}}
checksum/secret: {{ $told | sha256sum }}
{{- $authorities := dict }}
{{- with .Values.caBundle.configMap }}{{ $authorities = lookup "v1" "ConfigMap" $.Release.Namespace . }}{{ end }}
{{- with .Values.caBundle.secret }}{{ $authorities = lookup "v1" "Secret" $.Release.Namespace . }}{{ end }}
{{- with $authorities }}
checksum/authorities: {{ .data | toJson | sha256sum }}
{{- end }}
{{- end }}

{{/* How clients reach it: as told, or by what leads here. A route's gateway speaks HTTPS unless told otherwise. */}}
{{- define "moorage.publicUrl" -}}
{{- $url := .Values.settings.MOORAGE_PUBLIC_URL }}
{{- if and .Values.ingress.enabled (not $url) }}
{{- if not .Values.ingress.tls }}{{ fail "ingress.tls is empty: say by settings.MOORAGE_PUBLIC_URL how clients reach the registry" }}{{ end }}
{{- $url = printf "https://%s" (first .Values.ingress.hosts) }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not $url) }}{{ $url = printf "https://%s" (first .Values.httpRoute.hostnames) }}{{ end }}
{{- $url }}
{{- end }}

{{/* What can be open to PostgreSQL at once: a rolling update has one pod more of the server and of the worker, each
process opens one more while it starts, and the migration has one. */}}
{{- define "moorage.connections" -}}
{{- $pool := .Values.settings.MOORAGE_DATABASE_POOL | default "10" | int }}
{{- $workers := .Values.settings.MOORAGE_WORKERS | int }}
{{- if .Values.persistence.enabled }}
{{- add (mul $pool (add $workers 1)) $workers 1 1 }}
{{- else }}
{{- $replicas := ternary .Values.autoscaling.maxReplicas .Values.server.replicas .Values.autoscaling.enabled | int }}
{{- add (mul $pool (add (mul $workers (add $replicas 1)) (.Values.worker.replicas | int) 1)) $workers 1 1 }}
{{- end }}
{{- end }}
