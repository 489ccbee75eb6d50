"""Names that Suricata 7 knows and this program does not: what tells a keyword that is not supported from a mistake."""

from __future__ import annotations


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


APPLICATIONS = names("""
http http1 http2 ftp ftp-data smtp tls ssl ssh imap smb dcerpc dns nfs ntp tftp ike krb5 quic dhcp snmp sip rfb mqtt telnet rdp bittorrent-dht
modbus enip dnp3 jabber pgsql irc msn template websocket ldap doh2 mdns pop3
""")  # fmt: skip

OTHER_KEYWORDS = names("""
absent alert asn1 bypass cip compress_whitespace config datarep dce_iface dce_opnum
dce_stub_data dcerpc.iface dcerpc.opnum dcerpc.stub_data dhcp.leasetime dhcp.rebinding_time dhcp.renewal_time
dns.answer.name dns.opcode dns.query dns.query.name dns.rcode dns.rrtype dns_opcode dns_query
dotprefix email.from entropy file.data file.magic file.name file_data fileext filemagic filemd5 filename filesha1
filesha256 filesize filestore flowvar frame from_base64 ftp.command ftpbounce ftpdata.command ftpdata_command geoip header_lowercase
http.accept http.accept_enc http.accept_lang http.connection http.content_len http.content_type http.cookie http.header http.header.raw
http.header_names http.host http.host.raw http.location http.method http.protocol http.referer http.request_body http.request_header
http.request_line http.response_body http.response_header http.response_line http.server http.start http.stat_code http.stat_msg http.uri
http.uri.raw http.user_agent http2.errorcode http2.frametype http2.header_name http2.priority http2.settings http2.size_update http2.window
http2_header_name http_accept http_accept_enc http_accept_lang http_client_body http_connection http_content_len http_content_type
http_cookie http_header http_header_names http_host http_method http_protocol http_raw_header http_raw_host http_raw_uri http_referer
http_request_line http_response_line http_server_body http_start http_stat_code http_stat_msg http_uri http_user_agent icmpv4-csum
icmpv6-csum ike.chosen_sa_attribute ike.exchtype ike.init_spi ike.key_exchange_payload ike.key_exchange_payload_length ike.nonce_payload
ike.nonce_payload_length ike.resp_spi ike.vendor iprep ipv4-csum ja3.hash ja3.string ja3_hash ja3_string ja3s.hash ja3s.string ja4.hash
ja4_hash krb5.cname krb5.sname krb5.ticket_encryption krb5_cname krb5_err_code krb5_msg_type krb5_sname l3_proto ldap.request.operation lua
luaxform mdns.queries.rrname mqtt.connack.session_present mqtt.connect.clientid mqtt.connect.flags mqtt.connect.password
mqtt.connect.username mqtt.connect.willmessage mqtt.connect.willtopic mqtt.flags mqtt.protocol_version mqtt.publish.message
mqtt.publish.topic mqtt.qos mqtt.reason_code mqtt.subscribe.topic mqtt.type mqtt.unsubscribe.topic mqtt_type nfq_set_mark nfs.version
nfs_procedure nfs_version pcrexform pgsql.query pktvar quic.cyu.hash quic.cyu.string quic.sni quic.ua quic.version replace requires rfb.name
rfb.secresult rfb.sectype rfb_name rpc sdp.origin sip.method sip.protocol sip.request_line sip.response_line sip.stat_code sip.stat_msg
sip.uri sip_method sip_uri smb.named_pipe smb.ntlmssp_domain smb.ntlmssp_user smb.share smb_named_pipe smb_share snmp.community
snmp.pdu_type snmp.usm snmp.version snmp_version ssh.hassh ssh.hassh.server ssh.hassh.server.string ssh.hassh.string ssh.proto
ssh.protoversion ssh.software ssh.softwareversion ssh_proto ssh_software ssl_state ssl_version strip_pseudo_headers
strip_whitespace tcpv4-csum tcpv6-csum template2 tls.alpn tls.cert_chain_len tls.cert_fingerprint tls.cert_issuer tls.cert_serial
tls.cert_subject tls.certs tls.fingerprint tls.issuerdn tls.random tls.random_bytes tls.random_time tls.sni tls.subject tls.version
tls_cert_expired tls_cert_fingerprint tls_cert_issuer tls_cert_notafter tls_cert_notbefore tls_cert_serial tls_cert_subject tls_cert_valid
tls_sni tls_store to_lowercase to_md5 to_sha1 to_sha256 to_uppercase udpv4-csum udpv6-csum uricontent urilen url_decode vlan.id vlan.layers
websocket.opcode xor
""")  # fmt: skip

SNORT_KEYWORDS = names("""
activated_by activates appids ber_data ber_skip bufferlen cvs file_meta file_type gtp_info gtp_type
gtp_version http_num_cookies http_num_headers http_num_trailers http_param http_raw_body http_raw_cookie http_raw_header_complete
http_raw_request http_raw_status http_raw_trailer http_trailer http_true_ip http_version http_version_match js_data logto md5 raw_data
react regex resp s7commplus_content s7commplus_func s7commplus_opcode sd_pattern service session sha256 sha512 sip_body sip_header
sip_stat_code soid stream_reassemble vba_data wscale
""")  # fmt: skip

DECODER_EVENTS = names("""
afpacket.trunc_pkt chdlc.pkt_too_small dce.pkt_too_small erspan.header_too_small erspan.too_many_vlan_layers erspan.unsupported_version
ethernet.pkt_too_small gre.pkt_too_small gre.version0_flags gre.version0_hdr_too_big gre.version0_recur gre.version1_chksum
gre.version1_flags gre.version1_hdr_too_big gre.version1_malformed_sre_hdr gre.version1_no_key gre.version1_recur gre.version1_route
gre.version1_ssr gre.version1_wrong_protocol gre.wrong_version icmpv4.ipv4_trunc_pkt icmpv4.ipv4_unknown_ver icmpv4.pkt_too_small
icmpv4.unknown_code icmpv4.unknown_type icmpv6.experimentation_type icmpv6.ipv6_trunc_pkt icmpv6.ipv6_unknown_version
icmpv6.mld_message_with_invalid_hl icmpv6.pkt_too_small icmpv6.unassigned_type icmpv6.unknown_code icmpv6.unknown_type
ieee8021ah.header_too_small ipraw.invalid_ip_version ipv4.frag_overlap ipv4.frag_pkt_too_large ipv4.hlen_too_small ipv4.icmpv6
ipv4.iplen_smaller_than_hlen ipv4.opt_duplicate ipv4.opt_eol_required ipv4.opt_invalid ipv4.opt_invalid_len ipv4.opt_malformed
ipv4.opt_pad_required ipv4.opt_unknown ipv4.pkt_too_small ipv4.trunc_pkt ipv4.wrong_ip_version ipv6.data_after_none_header
ipv6.dstopts_only_padding ipv6.dstopts_unknown_opt ipv6.exthdr_ah_res_not_null ipv6.exthdr_dupl_ah ipv6.exthdr_dupl_dh ipv6.exthdr_dupl_eh
ipv6.exthdr_dupl_fh ipv6.exthdr_dupl_hh ipv6.exthdr_dupl_rh ipv6.exthdr_invalid_optlen ipv6.exthdr_useless_fh
ipv6.fh_non_zero_reserved_field ipv6.frag_invalid_length ipv6.frag_overlap ipv6.frag_pkt_too_large ipv6.hopopts_only_padding
ipv6.hopopts_unknown_opt ipv6.icmpv4 ipv6.ipv4_in_ipv6_too_small ipv6.ipv4_in_ipv6_wrong_version ipv6.ipv6_in_ipv6_too_small
ipv6.ipv6_in_ipv6_wrong_version ipv6.pkt_too_small ipv6.rh_type_0 ipv6.trunc_exthdr ipv6.trunc_pkt ipv6.unknown_next_header
ipv6.wrong_ip_version ipv6.zero_len_padn ltnull.pkt_too_small ltnull.unsupported_type mpls.bad_label_implicit_null mpls.bad_label_reserved
mpls.bad_label_router_alert mpls.header_too_small mpls.pkt_too_small mpls.unknown_payload_type ppp.ip4_pkt_too_small ppp.ip6_pkt_too_small
ppp.pkt_too_small ppp.unsup_proto ppp.vju_pkt_too_small ppp.wrong_type pppoe.malformed_tags pppoe.pkt_too_small pppoe.wrong_code
sll.pkt_too_small tcp.hlen_too_small tcp.invalid_optlen tcp.opt_duplicate tcp.opt_invalid_len tcp.pkt_too_small too_many_layers
udp.hlen_too_small udp.len_invalid udp.pkt_too_small vlan.header_too_small vlan.too_many_layers vlan.unknown_type vntag.header_too_small
vntag.unknown_type
""")  # fmt: skip

STREAM_EVENTS = names("""
3whs_ack_data_inject 3whs_ack_in_wrong_dir 3whs_async_wrong_seq 3whs_right_seq_wrong_ack_evasion 3whs_syn_flood
3whs_syn_resend_diff_seq_on_syn_recv 3whs_syn_toclient_on_syn_recv 3whs_synack_flood 3whs_synack_in_wrong_direction
3whs_synack_resend_with_diff_seq 3whs_synack_resend_with_different_ack 3whs_synack_tfo_data_ignored 3whs_synack_toserver_on_syn_recv
3whs_synack_with_wrong_ack 3whs_wrong_seq_wrong_ack 4whs_invalid_ack 4whs_synack_with_wrong_ack 4whs_synack_with_wrong_syn 4whs_wrong_seq
closewait_ack_out_of_window closewait_fin_out_of_window closewait_invalid_ack closewait_pkt_before_last_ack closing_ack_wrong_seq
closing_invalid_ack est_invalid_ack est_packet_out_of_window est_pkt_before_last_ack est_syn_resend est_syn_resend_diff_seq est_syn_toclient
est_synack_resend est_synack_resend_with_diff_seq est_synack_resend_with_different_ack est_synack_toserver fin1_ack_wrong_seq
fin1_fin_wrong_seq fin1_invalid_ack fin2_ack_wrong_seq fin2_fin_wrong_seq fin2_invalid_ack fin_but_no_session fin_invalid_ack
fin_out_of_window fin_syn lastack_ack_wrong_seq lastack_invalid_ack pkt_bad_window_update pkt_broken_ack pkt_invalid_ack
pkt_invalid_timestamp pkt_retransmission pkt_spurious_retransmission reassembly_depth_reached reassembly_no_segment reassembly_overlap_different_data
reassembly_segment_before_base_seq reassembly_seq_gap reassembly_urgent_oob_limit_reached rst_but_no_session rst_invalid_ack
shutdown_syn_resend suspected_rst_inject timewait_ack_wrong_seq timewait_invalid_ack wrong_thread
""")  # fmt: skip
